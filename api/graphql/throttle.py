"""A bucket of cost per token: it holds ten seconds of the token's rate and refills steadily.

The bucket is a row in the database, so that all processes of a deployment share it. Tokens without a limit, such as
those of the command line, have none.
"""

from api.graphql.kit.errors import request_error
from domain.identity import Caller
from domain.kernel.database import Database, raw
from domain.kernel.work import SYSTEM, begin

SECONDS_HELD = 10

_TAKE = """
INSERT INTO cost_buckets AS bucket (token_id, level, at) VALUES ($1, $2::float8 * $4 - $3, now())
ON CONFLICT (token_id) DO UPDATE SET
  level = least($2::float8 * $4, bucket.level + extract(epoch FROM now() - bucket.at) * $2) - $3, at = now()
WHERE least($2::float8 * $4, bucket.level + extract(epoch FROM now() - bucket.at) * $2) >= least($3, $2::float8 * $4)
RETURNING level
"""


class Throttle:
    """Takes the cost of documents from buckets."""

    async def take(self, database: Database, caller: Caller, cost: int) -> int | None:
        """Take the cost from the caller's bucket; returns what is left, None where there is no limit.

        Raises GraphQLError THROTTLED, with `retryAfterSeconds`, when the bucket does not hold it. A document that costs
        more than a full bucket needs a full one, and leaves a debt.
        """
        rate = caller.cost_per_second
        if rate is None or caller.token is None:
            return None
        async with database.connection() as connection, begin(connection, actor=SYSTEM):
            token = caller.token.partition("_")[2]
            left = await (await raw(connection)).fetchval(_TAKE, token, float(rate), float(cost), float(SECONDS_HELD))
        if left is None:
            raise request_error(
                f"This token has spent its cost for now; it wins back {rate:,} points a second.",
                "THROTTLED",
                requested=cost,
                retryAfterSeconds=min(SECONDS_HELD, max(1, -(-cost // rate))),
            )
        return int(left)
