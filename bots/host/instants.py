"""One bar time of one session, in the three forms it goes through: what came in, what was decided, what is written."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from bots.host import history, ledger, outcomes
from bots.host.account import Absorbed
from bots.host.desk import Verdict
from bots.live.asks import Ask
from bots.models import Order
from engine.portfolio import OutsideExposure
from marketdata.feeds import BarBatch


@dataclass(slots=True)
class Instant:
    """Bars of one start, as they go into one step."""

    ts: int
    closed_ns: int
    bars: dict[str, history.Prices]
    deciding: dict[str, tuple[int, history.Prices]]
    received_ns: int
    backfilled: bool


@dataclass(slots=True)
class Decided:
    """What one instant led to, before its rows are built. blocked, outside: what held when it was decided."""

    instant: Instant
    verdict: Verdict
    absorbed: Absorbed
    denied: Mapping[str, outcomes.Refusal]
    blocked: str | None
    outside: OutsideExposure | None
    at: datetime.datetime

    @property
    def has_orders(self) -> bool:
        """Whether the venue waits for what came of it."""
        return bool(self.absorbed.orders)

    @property
    def has_news(self) -> bool:
        """Whether the venue, or a page, waits for it."""
        return bool(self.absorbed.orders or self.absorbed.changed)


@dataclass(slots=True)
class Done:
    """What one instant, or one request, led to: to be written, then to be told."""

    write: ledger.SessionWrite
    absorbed: Absorbed
    instant: Instant | None = None
    signals_s: float | None = None  # what the strategy took; None: it was not asked
    again: list[Order] = field(default_factory=list)  # stored orders that are to be sent, because they never left
    asks: list[Ask] = field(default_factory=list)  # of a broker, for protective orders
    alarms: list[tuple[str, str]] = field(default_factory=list)  # (event, text) that the owner must know at once

    def then(self, later: Done) -> Done:
        """Both as one, to be written together: what happened between the same two bars, one after the other."""
        write = self.write.then(later.write)
        unwanted = ledger.each_once(self.absorbed.unwanted, later.absorbed.unwanted)
        absorbed = Absorbed(
            orders=write.orders,
            changed=self.absorbed.changed | later.absorbed.changed,
            positions=self.absorbed.positions | later.absorbed.positions,
            trades=write.trades,
            executions=write.executions,
            unwanted=unwanted,
        )
        again, asks, alarms = self.again + later.again, self.asks + later.asks, self.alarms + later.alarms
        return Done(write, absorbed, again=again, asks=asks, alarms=alarms)


def instants_of(batch: BarBatch, match_timeframe: str, timeframe: str, *, after_ns: int) -> list[Instant]:
    """The bars of a batch by their start, those that start after `after_ns`."""
    matched, deciding = batch.of(match_timeframe), batch.of(timeframe)
    found: dict[int, Instant] = {}
    for symbol, bar in matched.items():
        if bar.ts_open <= after_ns:
            continue
        at = found.setdefault(
            bar.ts_open, Instant(bar.ts_open, bar.ts_close, {}, {}, batch.received_ns, bar.backfilled)
        )
        at.bars[symbol] = bar.values()[1:]
        if symbol in deciding:
            at.deciding[symbol] = (deciding[symbol].ts_open, deciding[symbol].values()[1:])
    return [found[ts] for ts in sorted(found)]
