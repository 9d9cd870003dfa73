"""How often a bot decides: its trading frequency over its bars, and that a backtest can do the same."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from bots import parity
from bots.models import TradingSession
from bots.services import bots, sessions
from tests.bots.factories import make_bot
from tests.bots.host.hosting import host, quick, wait_for


@pytest.mark.django_db
@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("timeframe", "match_timeframe", "frequency", "expected"),
    [
        ("1m", "", 60, ("1m", "")),
        ("1m", "", 299, ("1m", "")),
        ("1m", "", 300, ("5m", "1m")),
        ("1m", "1s", 1_000, ("15m", "1s")),
        ("1s", "", 60, ("1m", "1s")),
        ("1s", "", 45, ("1s", "")),
        ("5m", "1m", 60, ("5m", "1m")),
        ("1h", "", 86_400, ("1d", "1h")),
        ("1d", "", 1, ("1d", "")),
    ],
)
def test_a_session_decides_on_the_largest_bars_that_fit(
    alice: User, timeframe: str, match_timeframe: str, frequency: int, expected: tuple[str, str]
) -> None:
    columns = {"timeframe": timeframe, "match_timeframe": match_timeframe, "trading_frequency": frequency}
    session, _ = bots.start(alice, make_bot(alice, **columns).pk)
    assert (session.timeframe, session.match_timeframe) == expected


@pytest.mark.django_db
@pytest.mark.row("C7")
def test_what_a_start_says_of_bars_goes_over_the_frequency(alice: User) -> None:
    bot = make_bot(alice, timeframe="1m", trading_frequency=300)
    session, _ = bots.start(alice, bot.pk, {"timeframe": "1s"})
    assert (session.timeframe, session.match_timeframe) == ("1s", "")
    assert sessions.stop(alice, session.pk).state == "STOPPED"


@pytest.mark.django_db
@pytest.mark.row("C7")
def test_a_bot_that_says_nothing_decides_as_its_bars_close(alice: User) -> None:
    base: dict[str, Any] = {"symbols": ["SIM-ALPHA"], "strategy": "ma_crossover"}
    for timeframe, seconds in (("1s", 1), ("1m", 60), ("1h", 3_600)):
        bot = bots.create(alice, {**base, "name": timeframe, "timeframe": timeframe})
        assert bot.trading_frequency == seconds
        assert bot.paced == (timeframe, "")
    slower = bots.update(alice, bot.pk, {"trading_frequency": 14_400})
    assert slower.paced == ("4h", "1h")


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("C7", "W1")
def test_a_slow_bot_decides_once_a_minute_and_a_backtest_agrees(alice: User) -> None:
    """Its bars are seconds; what it decides on the minute meets the next second."""
    bot = make_bot(
        alice,
        timeframe="1s",
        trading_frequency=75,
        strategy_parameters={"fast_window": 2, "slow_window": 3, "min_strength_threshold": 0.0},
        feed_options={name: value for name, value in quick(accelerate=60).items() if name != "anchor"},
    )
    session, _ = bots.start(alice, bot.pk)
    with host():
        decided = session.decisions.filter(decides=True)
        wait_for(lambda: session.trades.count() >= 2 and decided.count() >= 5, 90)
        TradingSession.objects.filter(pk=session.pk).update(wanted="STOP", stop_policy="keep", stop_reason="user")
        wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED")
    session.refresh_from_db()
    assert set(decided.values_list("timeframe", flat=True)) == {"1m"}
    assert all(ns % 60_000_000_000 == 0 for ns in decided.values_list("ts_ns", flat=True))
    assert session.decisions.filter(decides=False, timeframe="1s").count() > 60
    for entry in session.orders.filter(is_entry=True, fills__isnull=False):
        assert entry.fills.first().executed_at == entry.decided_at, "the second after the minute"
    report = parity.make(session)
    assert report.identical, report.differences
