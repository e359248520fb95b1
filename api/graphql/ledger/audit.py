"""For those who audit the books: whether the journal is still what was sealed."""

from typing import Annotated

import strawberry

from api.graphql.kit.access import access, restrict
from api.graphql.kit.context import Context
from api.graphql.kit.operations import query
from domain import ledger
from domain.kernel.scopes import Scope


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="JournalHead", description="The end of the journal's chain of digests.")
class JournalHead:
    position: int = strawberry.field(description="The last place in the journal.")
    digest: str = strawberry.field(
        description="Its digest, SHA-256 in hexadecimal: kept elsewhere, it proves later that no entry up to this"
        " place was changed."
    )


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="JournalFault", description="A place in the journal that is not what was sealed.")
class JournalFault:
    position: int = strawberry.field(description="The place.")
    problem: str = strawberry.field(description="What is wrong with it.")


@restrict(Scope.LEDGER_READ)
@strawberry.type(name="LedgerVerification", description="What came of holding the journal against its digests.")
class LedgerVerification:
    entries: int = strawberry.field(description="How many entries are what was sealed, up to the first that is not.")
    head: JournalHead | None = strawberry.field(description="The end of the chain; null while nothing is sealed.")
    fault: JournalFault | None = strawberry.field(description="The first place at fault; null where all is well.")


@query
@access(Scope.LEDGER_READ)
async def ledger_verify(
    context: Context,
    from_: Annotated[int | None, "The first place in the journal to check; 1, when left out."] = None,
    to: Annotated[int | None, "The last one; the end of the journal, when left out."] = None,
) -> LedgerVerification | None:
    """Holds sealed entries and their lines against the digests they were sealed with, and stops at the first fault."""
    found = await context.reading.run(lambda connection: ledger.verify(connection, from_, to))
    return LedgerVerification(
        entries=found.entries,
        head=JournalHead(position=found.head.position, digest=found.head.digest) if found.head else None,
        fault=JournalFault(position=found.fault.position, problem=found.fault.problem) if found.fault else None,
    )
