"""Sessions and bots of strategies that trade several symbols together: what is refused, and where."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from bots.services import bots, sessions, settings
from engine.errors import InputError

PAIR: dict[str, Any] = {
    "strategy": "pairs",
    "symbols": ["SIM-ALPHA", "SIM-BETA"],
    "settings": {"allow_short": True},
}


def refused(call: Any, *args: Any) -> dict[str, str]:
    """Path → what to do, of every fault."""
    with pytest.raises(InputError) as caught:
        call(*args)
    return {fault.path: fault.hint for fault in caught.value.faults}


@pytest.mark.row("D10", "C1", "A8")
def test_a_session_needs_the_right_number_of_symbols_and_short_selling(alice: User) -> None:
    session, _ = sessions.start(alice, {**PAIR, "initial_cash": 5_000})
    assert session.symbols == ["SIM-ALPHA", "SIM-BETA"]
    assert "Name 2 symbols" in refused(sessions.start, alice, {**PAIR, "symbols": ["SIM-ALPHA"]})["symbols"]
    faults = refused(sessions.start, alice, {**PAIR, "settings": {}})
    assert faults == {"settings.allow_short": "Set allow_short to true"}
    assert "settings.allow_short" in refused(settings.change, alice, session.pk, {"allow_short": False})
    assert settings.change(alice, session.pk, {"stop_loss_pct": 4}).version == 2


@pytest.mark.row("D10", "A8")
def test_a_bot_is_asked_the_same(alice: User) -> None:
    row = bots.create(alice, {**PAIR, "name": "Two"})
    assert row.settings == {"allow_short": True}
    faults = refused(bots.create, alice, {"name": "One", "strategy": "pairs", "symbols": ["SIM-ALPHA"]})
    assert set(faults) == {"symbols", "settings.allow_short"}
