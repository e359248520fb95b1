"""How much of what is available a sales channel may take: its pools, its buffers and caps.

A *pool* is stock at one place that only one channel may take; what it holds counts as reserved there. A *buffer* keeps
so much of what is available away from a channel, a *cap* offers one document no more than so much. Both speak of what
is available to everybody: a channel's own pool comes on top, and so does what was held for the document.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from domain.kernel.ids import ID
from domain.kernel.work import Work
from domain.stock.tables import Place


@dataclass(frozen=True, slots=True)
class Rule:
    """What a channel is not offered of a variant."""

    buffer: Decimal
    cap: Decimal | None

    def offers(self, available: Decimal, taken: Decimal = Decimal(0)) -> Decimal:
        """How much of what is available to everybody the channel may take; `taken`: what the same document took."""
        rest = max(available - self.buffer, Decimal(0))
        return rest if self.cap is None else min(rest, max(self.cap - taken, Decimal(0)))


RuleKey = tuple[ID, ID | None]
"""A channel, and a variant; None: every variant that has no rule of its own."""
EVERYTHING = Rule(Decimal(0), None)
"""Of what no rule speaks, a channel may take all."""


@dataclass
class Shares:
    """The pools and rules that some demands meet."""

    pools: dict[tuple[ID, Place], Decimal] = field(default_factory=dict)
    """What pools hold, by channel and place; to be lowered by who takes from them."""
    rules: Mapping[RuleKey, Rule] = field(default_factory=dict)
    """Rules by channel and variant; with None for every variant that has none of its own."""

    def __bool__(self) -> bool:
        """Whether anything is shared out at all."""
        return bool(self.pools or self.rules)

    def pooled(self, channel: ID | None, place: Place) -> Decimal:
        """What a channel has for itself at a place."""
        return Decimal(0) if channel is None else self.pools.get((channel, place), Decimal(0))

    def rule(self, channel: ID | None, variant: ID) -> Rule:
        """What a channel may take of a variant."""
        if channel is None:
            return EVERYTHING
        return self.rules.get((channel, variant)) or self.rules.get((channel, None)) or EVERYTHING


_RULES = """
SELECT channel_id, variant_id, buffer, cap FROM stock_channel_rules
WHERE channel_id = ANY($1) AND (variant_id IS NULL OR variant_id = ANY($2))
"""
_POOLS = """
SELECT channel_id, variant_id, location_id, held FROM stock_pools
WHERE channel_id = ANY($1) AND variant_id = ANY($2) AND held > 0
"""


async def rules_of(
    work: Work, channels: Collection[ID], variants: Collection[ID], *, ruled: bool = True
) -> Mapping[RuleKey, Rule]:
    """The rules that speak of channels and variants. To one act they stay as it has read them first: no lock keeps
    others from changing them. `ruled` says whether there may be any.
    """
    read: dict[RuleKey, Rule | None] = work.remembered.setdefault("stock.rules", {})
    asked: set[RuleKey] = {(channel, variant) for channel in channels for variant in (*variants, None)}
    fresh = asked - read.keys()
    if fresh and ruled:
        wanted = [each[4:] for each in sorted(channels)], [each[4:] for each in sorted(variants)]
        for row in await work.raw.fetch(_RULES, *wanted):
            key = ID("chn_" + row["channel_id"]), row["variant_id"] and ID("var_" + row["variant_id"])
            read.setdefault(key, Rule(row["buffer"], row["cap"]))
    for key in fresh:
        read.setdefault(key, None)
    return {key: rule for key in asked if (rule := read[key]) is not None}


async def shares_of(
    work: Work, channels: Collection[ID], variants: Collection[ID], *, ruled: bool, pooled: bool
) -> Shares:
    """The shares of channels in variants whose levels are locked. `ruled` and `pooled` say whether there may be any."""
    wanted = [each[4:] for each in sorted(channels)], [each[4:] for each in sorted(variants)]
    pools = await work.raw.fetch(_POOLS, *wanted) if pooled and channels else []
    return Shares(
        pools={
            (ID("chn_" + row["channel_id"]), (ID("var_" + row["variant_id"]), ID("loc_" + row["location_id"]))): row[
                "held"
            ]
            for row in pools
        },
        rules=await rules_of(work, channels, variants, ruled=ruled),
    )


_TAKE = """
UPDATE stock_pools AS pool SET held = pool.held - taken.part, updated_at = $5
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[]) AS taken(channel_id, variant_id, location_id, part)
WHERE pool.channel_id = taken.channel_id AND pool.variant_id = taken.variant_id
  AND pool.location_id = taken.location_id
"""


async def take(work: Work, taken: Mapping[tuple[ID, Place], Decimal]) -> None:
    """Lower what pools hold, at places whose levels are locked. The caller changes the levels' claims."""
    if taken:
        keys = list(taken)
        await work.raw.execute(
            _TAKE,
            [channel[4:] for channel, _ in keys],
            [place[0][4:] for _, place in keys],
            [place[1][4:] for _, place in keys],
            list(taken.values()),
            work.now,
        )
