"""Lifecycles as data: what leads where, and what is refused."""

from enum import StrEnum

import pytest

from domain.kernel.errors import NotAllowedNow
from domain.kernel.lifecycle import Lifecycle


class Light(StrEnum):
    """The states of a lamp."""

    DARK = "DARK"
    LIT = "LIT"
    BROKEN = "BROKEN"


class Handling(StrEnum):
    """What can be done with a lamp."""

    SWITCH_ON = "SWITCH_ON"
    SWITCH_OFF = "SWITCH_OFF"
    DROP = "DROP"


LAMP = Lifecycle(
    noun="lamp",
    initial=[Light.DARK],
    actions={
        Handling.SWITCH_ON: ([Light.DARK], Light.LIT),
        Handling.SWITCH_OFF: ([Light.LIT], Light.DARK),
        Handling.DROP: ([Light.DARK, Light.LIT], Light.BROKEN),
    },
)


def test_each_state_offers_its_acts_in_the_order_of_declaration() -> None:
    assert LAMP.available(Light.DARK) == [Handling.SWITCH_ON, Handling.DROP]
    assert LAMP.available(Light.LIT) == [Handling.SWITCH_OFF, Handling.DROP]
    assert LAMP.available(Light.BROKEN) == []


@pytest.mark.parametrize("state", Light)
@pytest.mark.parametrize("action", Handling)
def test_an_act_leads_to_its_target_exactly_where_it_is_offered(state: Light, action: Handling) -> None:
    targets = {Handling.SWITCH_ON: Light.LIT, Handling.SWITCH_OFF: Light.DARK, Handling.DROP: Light.BROKEN}
    if action in LAMP.available(state):
        assert LAMP.after(state, action) is targets[action]
    else:
        with pytest.raises(NotAllowedNow):
            LAMP.after(state, action)


def test_a_refusal_says_what_is_possible_instead() -> None:
    with pytest.raises(NotAllowedNow) as refused:
        LAMP.after(Light.LIT, Handling.SWITCH_ON)
    assert refused.value.code == "NOT_ALLOWED_NOW"
    assert refused.value.message == "A lamp that is LIT cannot SWITCH_ON; possible now: SWITCH_OFF, DROP."
    with pytest.raises(NotAllowedNow, match="possible now: nothing"):
        LAMP.after(Light.BROKEN, Handling.DROP)


def test_a_state_that_no_way_leads_to_stops_the_import() -> None:
    with pytest.raises(ValueError, match="lamp: no way leads to BROKEN, LIT"):
        Lifecycle(noun="lamp", initial=[Light.DARK], actions={Handling.SWITCH_OFF: ([Light.LIT], Light.DARK)})


def test_states_reached_by_several_steps_are_reachable() -> None:
    # Declared against the direction of travel, so that one pass over the table does not find them all.
    steps = {Handling.DROP: ([Light.LIT], Light.BROKEN), Handling.SWITCH_ON: ([Light.DARK], Light.LIT)}
    assert Lifecycle(noun="lamp", initial=[Light.DARK], actions=steps).after(Light.LIT, Handling.DROP) is Light.BROKEN
