"""For how long the books must be kept: so many years from the last day of each fiscal year.

Nothing in the books is ever deleted, so this says until when a business must keep them, its backups and its documents,
and not when they go. A year that is closed is promised what counts on that day. To keep for longer is always possible;
to keep for less only where no year was promised more, or what it was promised is over.
"""

from domain.kernel.errors import Invalid
from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.ledger.events import RetentionPolicySet
from domain.ledger.operations import books
from domain.ledger.tables.retention import RetentionPromised

SHORTEST, LONGEST = 1, 99

_FIND = "SELECT id, years FROM retention_policies FOR NO KEY UPDATE"
_PROMISED = """SELECT starts_on, retention_years, (ends_on + make_interval(years => retention_years))::date AS until
  FROM fiscal_years
  WHERE retention_years > $1 AND ends_on + make_interval(years => retention_years) >= $2::date
  ORDER BY retention_years DESC, ends_on DESC LIMIT 1"""
_SET = "UPDATE retention_policies SET years = $2, updated_at = $3 WHERE id = $1"


async def set_retention(work: Work, years: int) -> ID:
    """The books are kept for so many years from the last day of each fiscal year. Returns the policy.

    Refused with Invalid outside of 1 to 99 years; with RetentionPromised where a fiscal year was closed with the
    promise of more, and that time is not over.
    """
    if not SHORTEST <= years <= LONGEST:
        raise Invalid(f"Books are kept for {SHORTEST} to {LONGEST} years.", path=("years",))
    kept = await books(work)
    policy = await work.raw.fetchrow(_FIND)
    assert policy is not None
    if years < policy["years"]:
        promised = await work.raw.fetchrow(_PROMISED, years, kept.today)
        if promised is not None:
            raise RetentionPromised(
                f"The fiscal year of {promised['starts_on']} was closed to be kept until {promised['until']}: choose"
                f" {promised['retention_years']} years or more.",
                path=("years",),
            )
    if years != policy["years"]:
        await work.raw.execute(_SET, policy["id"], years, work.now)
        work.announce(RetentionPolicySet(ID("rtp_" + policy["id"]), years=years))
    return ID("rtp_" + policy["id"])
