"""What can be done with customers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from domain.customers import events
from domain.customers.tables import LONGEST_EMAIL, MOST_ADDRESSES, Customer, CustomerAddress
from domain.kernel import bulk, external, words
from domain.kernel.absent import ABSENT, Absent, given
from domain.kernel.countries import CountryCode, country_codes
from domain.kernel.errors import Invalid, NotFound, Refusal, Refusals, StaleVersion, of_one
from domain.kernel.external import ExternalId
from domain.kernel.ids import ID, is_id, new_id
from domain.kernel.work import Work

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Address:
    """Where somebody is reached, as it is written on a parcel: each line at most 255 characters."""

    line1: str
    """Street and house number, or a post box."""
    country_code: CountryCode
    """The country."""
    name: str | None = None
    """Who receives there; the customer where it is left out."""
    company: str | None = None
    """The company there."""
    line2: str | None = None
    """Floor, building or whatever else finds the door."""
    city: str | None = None
    """City, town or village."""
    region: str | None = None
    """State, province or county, where addresses there name one."""
    postal_code: str | None = None
    """The postal code, where there is one; at most 32 characters."""
    phone: str | None = None
    """The number to call about a delivery; at most 50 characters."""


@dataclass(frozen=True)
class NewCustomer:
    """A customer to create."""

    name: str
    """The name of the person, household or company; at most 255 characters."""
    email: str | None = None
    """The email address, unique without regard to case; at most 254 characters."""
    phone: str | None = None
    """The phone number; at most 50 characters."""
    addresses: list[Address] = field(default_factory=list)
    """The addresses in their order, the first one first; at most 50."""
    external_id: ExternalId | None = None
    """What another system calls it."""


@dataclass(frozen=True)
class CustomerChanges:
    """What to change on a customer; what is left out stays."""

    name: str | Absent = ABSENT
    """The name of the person, household or company."""
    email: str | Absent | None = ABSENT
    """The email address; null takes it away."""
    phone: str | Absent | None = ABSENT
    """The phone number; null takes it away."""
    addresses: list[Address] | Absent = ABSENT
    """All addresses in their order: they replace the present ones, and an empty list takes them away."""
    expected_version: int | Absent | None = ABSENT
    """The version the caller has seen: refused with STALE_VERSION when somebody has changed the customer since."""


@dataclass(frozen=True)
class BroughtIn:
    """What became of customers brought in from another system."""

    created: list[ID]
    updated: list[ID]
    unchanged: int


async def create(work: Work, new: NewCustomer) -> ID:
    """A customer exists from now on. Returns its id.

    Refused with Invalid when the email or external id is taken, or a value cannot be.
    """
    with of_one():
        return (await create_many(work, [new]))[0]


async def create_many(work: Work, news: Sequence[NewCustomer]) -> list[ID]:
    """Create customers in one act, all or none. Returns their ids in the order given.

    Refused with one Invalid per offence, its path starting with the index of the customer.
    """
    return await _create(work, _wanted(news))


async def update(work: Work, customer_id: str, changes: CustomerChanges) -> ID:
    """The customer reads differently from now on; its version rises by one, unless nothing differs.

    An address that is as it was keeps its id. Refused with NotFound for an unknown customer, StaleVersion when
    `expected_version` is not the present one, Invalid when a value cannot be or the email is taken.
    """
    found = await _locked(work, [ID(customer_id)] if is_id(customer_id, "cus") else [])
    if not found:
        raise NotFound("There is no such customer.", path=("id",))
    customer = found[ID(customer_id)]
    if isinstance(changes.expected_version, int) and changes.expected_version != customer.version:
        raise StaleVersion(
            f"The customer is at version {customer.version} by now, not {changes.expected_version}. Read it again.",
            path=("input", "expectedVersion"),
        )
    values = _checked(given(replace(changes, expected_version=ABSENT)), path=("input",))
    difference = _difference(customer, values)
    if difference.fields:
        await _change(work, {customer.id: difference})
    return customer.id


async def bring_in(work: Work, system: str, news: Sequence[NewCustomer]) -> BroughtIn:
    """Customers as another system has them: created when unknown here, updated when different, else left alone.

    Each carries an external id of `system`; said twice, the second time changes nothing. Customers that left the other
    system stay. Refused as `create_many` is. Two acts that bring in from one system wait for each other: otherwise
    both would find the same customer new.
    """
    keys = [new.external_id.id for new in news if new.external_id and new.external_id.system == system]
    if len(keys) != len(news):
        raise ValueError(f"every customer brought in needs its id in {system}")
    wanted = _wanted(news)
    await work.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"customers.bring_in {system}")
    known = await external.find(work.connection, "cus", system, keys)
    present = {known[key]: each for key, each in zip(keys, wanted, strict=True) if key in known}
    fresh = [each for key, each in zip(keys, wanted, strict=True) if key not in known]
    # Known ones first: what they give up is free for the new ones.
    updated = await _refresh(work, present) if present else []
    created = await _create(work, fresh) if fresh else []
    return BroughtIn(created, updated, unchanged=len(present) - len(updated))


# --- values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    """A customer as it is to be, its values checked, and where in the input it came from."""

    path: Path
    values: dict[str, Any]
    external_id: ExternalId | None


def checked_email(email: str, *, path: Path) -> str:
    """An email address, trimmed: one @ with something on either side, no blanks. Refused with Invalid otherwise."""
    email = words.line(email, path=path, longest=LONGEST_EMAIL)
    before, at, behind = email.partition("@")
    if not (before and at and behind) or "@" in behind or any(letter.isspace() for letter in email):
        raise Invalid("This is no email address: it has one @, something on either side and no blanks.", path=path)
    return email


def checked_address(address: Address, *, path: Path) -> Address:
    """An address with its lines trimmed. Refused with one Invalid per line that cannot be."""
    values: dict[str, Any] = {}
    refusals: list[Refusal] = []
    for name, value in asdict(address).items():
        there = (*path, _PUBLISHED.get(name, name))
        try:
            values[name] = None if value is None else words.line(value, path=there, longest=_LONGEST.get(name, 255))
            if name == "country_code" and values[name] not in country_codes():
                raise Invalid(f"There is no country {values[name]!r} in ISO 3166; give two capitals.", path=there)
        except Refusal as refusal:
            refusals.append(refusal)
    Refusals.raise_if_any(refusals)
    return Address(**values)


def _addresses(addresses: Sequence[Address], *, path: Path) -> list[Address]:
    if len(addresses) > MOST_ADDRESSES:
        raise Invalid(f"A customer has at most {MOST_ADDRESSES} addresses.", path=path)
    checked: list[Address] = []
    refusals: list[Refusal] = []
    for n, address in enumerate(addresses):
        try:
            checked.append(checked_address(address, path=(*path, n)))
        except Refusals as several:
            refusals += several.refusals
    Refusals.raise_if_any(refusals)
    return checked


_PUBLISHED = {"postal_code": "postalCode", "country_code": "countryCode"}
_LONGEST = {"postal_code": 32, "phone": 50}
_CHECKS: Mapping[str, Callable[..., Any]] = {
    "name": words.line,
    "email": lambda value, *, path: None if value is None else checked_email(value, path=path),
    "phone": lambda value, *, path: None if value is None else words.line(value, path=path, longest=50),
    "addresses": _addresses,
}


def _checked(values: Mapping[str, Any], *, path: Path) -> dict[str, Any]:
    """Values of a customer as they are kept. Refused with all offences at once."""
    checked: dict[str, Any] = {}
    refusals: list[Refusal] = []
    for name, value in values.items():
        try:
            checked[name] = _CHECKS[name](value, path=(*path, name))
        except Refusal as refusal:
            refusals.append(refusal)
        except Refusals as several:
            refusals += several.refusals
    Refusals.raise_if_any(refusals)
    return checked


def _wanted(news: Sequence[NewCustomer]) -> list[_Wanted]:
    """The customers with their values checked. Refused with all offences, among them whatever is given twice."""
    wanted: list[_Wanted] = []
    refusals: list[Refusal] = []
    for n, new in enumerate(news):
        path = (n, "input")
        try:
            values = _checked({name: getattr(new, name) for name in _CHECKS}, path=path)
            if new.external_id:
                external.check(new.external_id, path=(*path, "externalId"))
            wanted.append(_Wanted(path, values, new.external_id))
        except Refusal as refusal:
            refusals.append(refusal)
        except Refusals as several:
            refusals += several.refusals
    emails, references = set[str](), set[ExternalId]()
    for each in wanted:
        email = (each.values["email"] or "").lower()
        if email in emails:
            refusals.append(Invalid(f"This email is given twice: {email}.", path=(*each.path, "email")))
        if each.external_id and each.external_id in references:
            sentence = f"This external id is given twice: {each.external_id.id}."
            refusals.append(Invalid(sentence, path=(*each.path, "externalId")))
        emails |= {email} if email else set()
        references |= {each.external_id} if each.external_id else set()
    Refusals.raise_if_any(refusals)
    return wanted


# --- creating -------------------------------------------------------------------------------------------------------


async def _create(work: Work, wanted: Sequence[_Wanted]) -> list[ID]:
    """Create customers that each know their place in the input, which is where their refusals point."""
    Refusals.raise_if_any([*await _taken_emails(work, wanted), *await _taken_references(work, wanted)])
    stamp = {"version": 1, "created_at": work.now, "updated_at": work.now}
    ids = [new_id("cus") for _ in wanted]
    rows, addresses, references = [], [], []
    for customer_id, each in zip(ids, wanted, strict=True):
        values = dict(each.values)
        addresses += _address_rows(customer_id, values.pop("addresses"))
        rows.append({"id": customer_id, **values, **stamp})
        references += [(customer_id, each.external_id)] if each.external_id else []
    # In one order everywhere: two acts that want the same emails wait for each other, and never both.
    await bulk.insert(work, Customer, sorted(rows, key=lambda row: (row["email"] or "").lower()))
    await bulk.insert(work, CustomerAddress, addresses)
    await external.link(work, sorted(references, key=lambda reference: (reference[1].system, reference[1].id)))
    work.announce(*(events.CustomerCreated(customer_id) for customer_id in ids))
    return ids


async def _taken_emails(work: Work, wanted: Sequence[_Wanted], *, but: Sequence[ID] = ()) -> list[Refusal]:
    """Every email that another customer has, leaving out those who are about to give theirs up.

    The constraint would refuse too, but could name only the first, and not its place in the input.
    """
    asking = [each for each in wanted if each.values["email"] is not None]
    taken = await work.raw.fetch(
        "SELECT given.n FROM unnest($1::text[]) WITH ORDINALITY AS given(email, n)"
        " JOIN customers ON email_folded = lower(given.email) WHERE id <> ALL($2) ORDER BY 1",
        [each.values["email"] for each in asking],
        [_digits(row) for row in but],
    )
    offenders = [asking[record["n"] - 1] for record in taken]
    return [Invalid(f"This email is taken: {each.values['email']}.", path=(*each.path, "email")) for each in offenders]


async def _taken_references(work: Work, wanted: Sequence[_Wanted]) -> list[Refusal]:
    by_system: dict[str, dict[str, Path]] = {}
    for each in wanted:
        if each.external_id:
            by_system.setdefault(each.external_id.system, {})[each.external_id.id] = (*each.path, "externalId")
    refusals: list[Refusal] = []
    for system, paths in by_system.items():
        found = await external.find(work.connection, "cus", system, list(paths))
        refusals += [Invalid(f"This external id is taken: {taken}.", path=paths[taken]) for taken in found]
    return refusals


def _address_rows(customer_id: ID, addresses: Sequence[Address], *, start: int = 1) -> list[dict[str, Any]]:
    return [
        {"id": new_id("adr"), "customer_id": customer_id, "position": n, **asdict(address)}
        for n, address in enumerate(addresses, start)
    ]


def _digits(row: str) -> str:
    """An id as the driver wants it."""
    return row.partition("_")[2]


# --- changing -------------------------------------------------------------------------------------------------------


@dataclass
class _Present:
    """A customer as it is, with the ids of its addresses in their order."""

    id: ID
    version: int
    values: dict[str, Any]
    address_ids: list[ID] = field(default_factory=list)


@dataclass
class _Difference:
    """How a customer is to differ: what to write, nothing where no field is named."""

    version: int
    fields: list[str]
    values: dict[str, Any]
    added: list[dict[str, Any]]
    moved: list[dict[str, Any]]
    dropped: list[ID]


# One statement, so that a customer and its addresses are seen at the same moment.
_PRESENT = """
SELECT customer.id AS customer_id, customer.version, customer.name AS customer_name, customer.email,
  customer.phone AS customer_phone, address.id, address.name, address.company, address.line1, address.line2,
  address.city, address.region, address.postal_code, address.country_code, address.phone
FROM customers AS customer LEFT JOIN customer_addresses AS address ON address.customer_id = customer.id
WHERE customer.id = ANY($1) ORDER BY customer.id, address.position
"""


async def _locked(work: Work, ids: Sequence[ID]) -> dict[ID, _Present]:
    """The customers, locked until the act ends. Lock, then look: only a later statement sees what was waited for."""
    await work.raw.execute(
        "SELECT FROM customers WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", [_digits(row) for row in ids]
    )
    return await _look(work, ids)


async def _look(work: Work, ids: Sequence[ID]) -> dict[ID, _Present]:
    found: dict[ID, _Present] = {}
    for record in await work.raw.fetch(_PRESENT, [_digits(row) for row in ids]):
        customer_id = ID("cus_" + record["customer_id"])
        if customer_id not in found:
            values = {"name": record["customer_name"], "email": record["email"], "phone": record["customer_phone"]}
            found[customer_id] = _Present(customer_id, record["version"], values | {"addresses": []})
        if record["id"] is not None:
            address = Address(**{name: record[name] for name in Address.__dataclass_fields__})
            found[customer_id].values["addresses"].append(address)
            found[customer_id].address_ids.append(ID("adr_" + record["id"]))
    return found


def _difference(present: _Present, values: Mapping[str, Any]) -> _Difference:
    """What to write so that the customer has these values; those not named stay."""
    fields = [name for name, value in values.items() if present.values[name] != value]
    difference = _Difference(present.version, fields, {**present.values, **values}, added=[], moved=[], dropped=[])
    if "addresses" in fields:
        left = list(zip(present.address_ids, present.values["addresses"], range(1, MOST_ADDRESSES + 1), strict=False))
        for position, address in enumerate(values["addresses"], 1):
            same = next((each for each in left if each[1] == address), None)
            if same is None:
                difference.added += _address_rows(present.id, [address], start=position)
                continue
            left.remove(same)
            if same[2] != position:
                difference.moved.append({"id": same[0], "position": position})
        difference.dropped = [row for row, _, _ in left]
    return difference


async def _change(work: Work, differences: Mapping[ID, _Difference]) -> None:
    """Write the differences of customers that are locked, a statement per kind of row, and announce them."""
    giving_up = [row for row, each in differences.items() if "email" in each.fields]
    if len(giving_up) > 1:  # two may have swapped theirs, and the index would not wait for the second
        await work.raw.execute(
            "UPDATE customers SET email = NULL WHERE id = ANY($1)", [_digits(row) for row in giving_up]
        )
    rows = []
    for row, each in differences.items():
        values = {name: value for name, value in each.values.items() if name != "addresses"}
        rows.append({"id": row, **values, "version": each.version + 1, "updated_at": work.now})
    await bulk.update(work, Customer, rows)
    if dropped := [_digits(row) for each in differences.values() for row in each.dropped]:
        await work.raw.execute("DELETE FROM customer_addresses WHERE id = ANY($1)", dropped)
    await bulk.update(work, CustomerAddress, [row for each in differences.values() for row in each.moved])
    await bulk.insert(work, CustomerAddress, [row for each in differences.values() for row in each.added])
    work.announce(*(events.CustomerUpdated(row, fields=each.fields) for row, each in differences.items()))


# --- bringing in ----------------------------------------------------------------------------------------------------


async def _refresh(work: Work, present: Mapping[ID, _Wanted]) -> list[ID]:
    """Change what differs from the other system; returns the ids of those customers.

    What is the same already needs no lock: whoever changes one meanwhile comes after this act. The rest is compared
    once more under the lock, because only then nobody can change it in between.
    """
    suspects = _differences(await _look(work, list(present)), present)
    if not suspects:
        return []
    differences = _differences(await _locked(work, list(suspects)), present)
    changing = {row: present[row] for row, each in differences.items() if "email" in each.fields}
    Refusals.raise_if_any(await _taken_emails(work, list(changing.values()), but=list(changing)))
    if differences:
        await _change(work, differences)
    return list(differences)


def _differences(found: Mapping[ID, _Present], wanted: Mapping[ID, _Wanted]) -> dict[ID, _Difference]:
    """The customers that differ from what the other system says."""
    compared = {row: _difference(found[row], each.values) for row, each in wanted.items() if row in found}
    return {row: each for row, each in compared.items() if each.fields}
