"""What can be done to the business itself."""

from dataclasses import dataclass
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from domain.business.events import SalesChannelCreated
from domain.business.tables import Business, ChannelKind, SalesChannel, TaxMode, Unit
from domain.business.units import STANDARD
from domain.kernel import words
from domain.kernel.errors import Invalid
from domain.kernel.ids import new_id
from domain.kernel.money import CurrencyCode, currency_codes
from domain.kernel.work import Work


@dataclass(frozen=True)
class NewSalesChannel:
    """A channel to open."""

    name: str
    """What staff calls it; unique without regard to case."""
    kind: ChannelKind
    """What sort of place it sells in."""
    currency: CurrencyCode
    """The currency of its prices and orders."""
    locale: str
    """The language of its texts, as a BCP 47 tag such as en-US."""
    brand: str | None = None
    """The brand it sells under."""
    tax_mode: TaxMode = TaxMode.EXCLUSIVE
    """Whether its prices contain the tax."""
    default_location_name: str | None = None
    """The location that serves it unless routing says otherwise."""
    price_list_name: str | None = None
    """The price list it sells by."""
    requires_payment: bool = False
    """Whether its orders ship only once they are paid."""
    is_default: bool = False
    """Whether orders that name no channel belong to it. Exactly one channel is the default."""


async def found(
    work: Work,
    *,
    name: str = "My business",
    base_currency: str = "USD",
    time_zone: str = "UTC",
    fiscal_year_start: str = "01-01",
) -> None:
    """Lay the foundation that everything stands on: the business, the standard units and a default channel.

    Whatever exists already stays as it is, so it can be said after every migration.
    """
    _check_currency(base_currency, ("baseCurrency",))
    if time_zone not in available_timezones():
        raise Invalid(f"{time_zone!r} is no time zone of the IANA database.", path=("timeZone",))
    values = {
        "name": name,
        "base_currency": base_currency,
        "time_zone": time_zone,
        "fiscal_year_start": fiscal_year_start,
    }
    await work.connection.execute(insert(Business).values(one=True, **values).on_conflict_do_nothing())
    names = ("code", "name", "dimension", "decimals", "numerator", "denominator")
    units = [{"id": new_id("uom"), **dict(zip(names, unit, strict=True))} for unit in STANDARD]
    await work.connection.execute(insert(Unit).on_conflict_do_nothing(index_elements=["code"]), units)
    if not (await work.connection.execute(select(func.count()).select_from(SalesChannel))).scalar_one():
        await open_channel(
            work,
            NewSalesChannel(
                name="Online store",
                kind=ChannelKind.ONLINE_STORE,
                currency=CurrencyCode(base_currency),
                locale="en-US",
                is_default=True,
            ),
        )


async def open_channel(work: Work, new: NewSalesChannel) -> SalesChannel:
    """A channel exists from now on. Refused when its name is taken or its currency or locale is unknown."""
    _check_currency(new.currency, ("input", "currency"))
    try:
        locale = Locale.parse(new.locale, sep="-")
    except (ValueError, UnknownLocaleError):
        raise Invalid(f"{new.locale!r} is no locale, such as en-US.", path=("input", "locale")) from None
    channel = SalesChannel(
        id=new_id("chn"),
        name=words.line(new.name, path=("input", "name")),
        kind=new.kind,
        currency=new.currency,
        locale=str(locale).replace("_", "-"),
        brand=new.brand,
        tax_mode=new.tax_mode,
        default_location_name=new.default_location_name,
        price_list_name=new.price_list_name,
        requires_payment=new.requires_payment,
        is_default=new.is_default,
        version=1,
        created_at=work.now,
        updated_at=work.now,
    )
    work.session.add(channel)
    await work.session.flush()
    work.announce(SalesChannelCreated(channel.id))
    return channel


def _check_currency(code: str, path: tuple[str, ...]) -> None:
    if code not in currency_codes():
        raise Invalid(f"{code!r} is no currency code of ISO 4217.", path=path)
