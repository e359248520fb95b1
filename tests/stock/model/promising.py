"""What can be promised, and why."""

from datetime import date

from tests.stock.model.exact import Many
from tests.stock.model.kept import NOTHING, Rule
from tests.stock.model.reference import Model


def availability(model: Model, variant: int, *, on: date | None = None, channel: int | None = None) -> dict[str, Many]:
    """What can be promised of a variant over all locations, by a channel where one is named, and why."""
    settled = [
        model.figures(place)
        for place in model.versions
        if place[0] == variant and not model.world.locations[place[1]].transit
    ]
    said = {
        "ON_HAND": sum((each.on_hand for each in settled), NOTHING),
        "UNAVAILABLE": sum((each.unavailable for each in settled), NOTHING),
        "ALLOCATED": sum((each.allocated for each in settled), NOTHING),
        "RESERVED": sum((each.reserved for each in settled), NOTHING),
        "INCOMING": sum(
            (
                each.outstanding
                for each in model.incoming.values()
                if each.place[0] == variant and (on is None or each.due_on <= on)
            ),
            NOTHING,
        ),
        "BACKORDERED": sum((each.quantity for each in model.waiting.values() if each.variant == variant), NOTHING),
    }
    said["INCOMING"] += sum(
        (
            line.in_transit
            for each in model.transfers.values()
            if on is None or (each.expected_on is not None and each.expected_on <= on)
            for line in each.lines
            if line.variant == variant
        ),
        NOTHING,
    )
    said["available"] = said["ON_HAND"] - said["UNAVAILABLE"] - said["ALLOCATED"] - said["RESERVED"]
    if channel is not None:
        common, rule = said["available"], _present_rule(model, channel, variant)
        pools = [each.get(channel) for place, each in model.pools.items() if place[0] == variant]
        own = sum((pool.held for pool in pools if pool is not None), NOTHING)
        said["RESERVED"] -= own
        said["BUFFER"] = min(common, rule.buffer)
        said["CAP"] = common - said["BUFFER"] - rule.offers(common)
        said["available"] = own + rule.offers(common)
    said["available_to_promise"] = said["available"] + said["INCOMING"] - said["BACKORDERED"]
    return said


def _present_rule(model: Model, channel: int, variant: int) -> Rule:
    """What a channel is not offered of a variant by now."""
    for key in ((channel, variant), (channel, None)):
        found = model.rules.get(key, (None,))[-1]
        if found is not None:
            return found
    return Rule()
