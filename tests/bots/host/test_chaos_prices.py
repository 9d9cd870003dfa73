"""Prices that come wrong, under a session: it decides on the market's own bars, on each of them once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import pytest

from accounts.models import User
from bots import parity
from bots.models import TradingSession
from marketdata.columns import SECOND
from marketdata.feeds import FeedError, Tick, synthetic
from tests.bots.host.audit import assert_no_bar_is_missing, check
from tests.bots.host.hosting import host, make, quick, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("W11", "I8")]

BARS = 60


class Wire:
    """What lies between a feed and its sink: everything goes through, unless a kind of it does otherwise."""

    def __init__(self, sink: Any, chance: random.Random) -> None:
        self.sink, self.chance = sink, chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sink, name)


class Poisoned(Wire):
    """After every other print comes one that never was."""

    def __init__(self, sink: Any, chance: random.Random) -> None:
        super().__init__(sink, chance)
        kinds: list[Callable[[Tick], Tick]] = [
            *(lambda tick, px=px: tick._replace(px=px) for px in (0.0, -1.0, math.nan, math.inf)),
            *(lambda tick, size=size: tick._replace(size=size) for size in (0.0, math.nan)),
            *(lambda tick, times=times: tick._replace(px=tick.px * times) for times in (10.0, 0.1)),
            lambda tick: tick._replace(px=tick.px + 0.01, bid=tick.px + 1.0, ask=tick.px),
            lambda tick: tick._replace(ts=tick.ts + 60 * SECOND),
        ]
        chance.shuffle(kinds)
        self.kinds = cycle(kinds)

    def tick(self, tick: Tick) -> None:
        self.sink.tick(tick)
        if self.chance.random() < 0.5:
            self.sink.tick(next(self.kinds)(tick))


class Disordered(Wire):
    """The prints of a moment come in any order, some twice, and once more when their bar has closed; now and then the
    wire is cut, and what was on it is lost."""

    def __init__(self, sink: Any, chance: random.Random) -> None:
        super().__init__(sink, chance)
        self.waiting: list[Tick] = []
        self.before: Sequence[Tick] = ()
        self.cut_after = chance.randint(15, 40)

    def tick(self, tick: Tick) -> None:
        self.waiting.append(tick)

    def advance(self, until_ns: int) -> None:
        self.cut_after -= len(self.waiting) > 0
        if self.cut_after == 0:
            raise FeedError("The wire is cut.", retryable=True)
        told = [*self.waiting, *self.chance.choices(self.waiting, k=2)] if self.waiting else []
        self.chance.shuffle(told)
        for tick in (*self.before, *told):
            self.sink.tick(tick)
        self.before, self.waiting = self.waiting[:1], []
        self.sink.advance(until_ns)


@pytest.fixture
def traded(alice: User, moment: random.Random, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`traded(Poisoned)`: a session that heard `BARS` bars and more over such a wire and has stopped, and the counts of
    its feed."""
    run = synthetic.SyntheticFeed.run

    def trade(wire: type[Wire]) -> tuple[TradingSession, dict[str, Any]]:
        async def over_the_wire(feed: synthetic.SyntheticFeed, sink: Any) -> None:
            await run(feed, wire(sink, moment))

        monkeypatch.setattr(synthetic.SyntheticFeed, "run", over_the_wire)
        options = quick(seed=moment.randrange(1_000), ticks_per_s=8)
        session = make(alice, feed_options=options, settings={"stop_loss_pct": 0.3, "commission_rate": 0.0001})
        with host() as running:
            wait_for(lambda: session.cycles.count() >= BARS and session.trades.count() >= 2, 90)
            (counts,) = running.hub.stats().values()
            TradingSession.objects.filter(pk=session.pk).update(wanted="STOP", stop_policy="keep", stop_reason="user")
            wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED")
        session.refresh_from_db()
        return session, counts

    return trade


def assert_it_saw_the_market(session: TradingSession) -> None:
    """Every bar it decided on is the market's own, none is missing, none came twice; what it did is its backtest."""
    check(session)
    assert_no_bar_is_missing(session, SECOND)
    seed, per_s = session.feed_options["seed"], session.feed_options["ticks_per_s"]
    first, last = (session.cycles.order_by(by).values_list("ts_ns", flat=True)[0] for by in ("ts_ns", "-ts_ns"))
    columns = ("ts_ns", "open", "high", "low", "close", "volume")
    for symbol in session.symbols:
        bars = synthetic.history(symbol, "1s", first, last + SECOND, seed=seed, ticks_per_s=per_s)
        own = zip(bars.ts.tolist(), *(values.tolist() for values in bars.arrays()), strict=True)
        assert list(session.decisions.filter(symbol=symbol).order_by("ts_ns").values_list(*columns)) == list(own)
    report = parity.make(session)
    assert report.identical, report.differences


@pytest.mark.fault(34)
def test_bad_prints_reach_no_decision_and_fire_no_stop(traded: Callable[..., Any]) -> None:
    """F34: 0, negative, not a number, ten times the price, a tenth, no size, a crossed quote, from the future."""
    session, counts = traded(Poisoned)
    assert set(counts["quarantined"]) == {"price", "out_of_range", "size", "jump", "crossed_quote", "in_the_future"}
    assert_it_saw_the_market(session)


@pytest.mark.fault(35)
def test_each_bar_is_decided_on_once_whatever_comes_twice_late_or_not_at_all(traded: Callable[..., Any]) -> None:
    """F35: prints out of order, twice, after their bar; a cut in the middle of a bar, so that the rest is missing."""
    session, counts = traded(Disordered)
    assert min(counts[what] for what in ("duplicate", "late", "out_of_order", "reconnects")) >= 1, counts
    assert_it_saw_the_market(session)
