"""What a host tells the pages: live events, from a thread of its own, so that no bar waits for Redis.

News may be late or lost; rows are the truth, and a page that misses a number fetches them again.
"""

from __future__ import annotations

import functools
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from bots import mapping
from bots.host import outcomes, streams
from bots.host.instants import Done
from bots.host.measures import Measures
from bots.host.runner import Runner
from bots.models import Order, Position, Trade
from bots.orders import OrderState
from marketdata.feeds import Tick
from tradingsite.lib import realtime

log = logging.getLogger(__name__)
MOST_WAITING, FEW_WAITING = 10_000, 500
SLOW_ORDER_MS = 1_000
AFTER_S = 0.03  # news that come together are told together, and not while the order that they are of is being sent
_Work = Callable[[], None]


class Newsroom:
    """A queue of events and the thread that publishes them. Full: the oldest go first, and are counted."""

    def __init__(self) -> None:
        self.dropped = 0
        self.measures = Measures()
        self._queue: queue.Queue[_Work | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="news", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Publish what waits, then end."""
        self._queue.put(None)
        self._thread.join(5.0)

    def tell(self, topic: str, event: str, payload: dict[str, Any]) -> None:
        """Publish an event, later."""
        self.measures.count("messages")
        self._later(functools.partial(realtime.publish, topic, event, payload))

    def _later(self, work: _Work) -> None:
        while True:
            try:
                self._queue.put_nowait(work)
                return
            except queue.Full:
                try:
                    self._queue.get_nowait()
                    self.dropped += 1
                except queue.Empty:
                    continue

    def cycle(self, runner: Runner, done: Done) -> None:
        """All that one written instant, or request, is news of."""
        topics = [runner.session.topic, f"user.{runner.session.owner_id}"]
        session = runner.session.pk
        for order in [*done.write.orders, *done.write.changed]:
            self.tell(topics[0], "order_updated", {"session": session, "order": order_as_json(order)})
        for trade in done.write.trades:
            for topic in topics:
                self.tell(topic, "trade_executed", {"session": session, "trade": trade_as_json(trade)})
        for position in done.write.positions:
            self.tell(topics[0], "position_updated", {"session": session, "position": position_as_json(position)})
        self._log(runner, done)
        if done.instant is not None:
            self._later(functools.partial(streams.add, streams.SIGNALS, signals_as_json(runner, done)))
            figures = cycle_as_json(runner, done)
            self.tell(topics[0], "cycle_completed", figures)
            self.tell(topics[1], "cycle_completed", {name: figures[name] for name in figures if name != "bars"})

    def _log(self, runner: Runner, done: Done) -> None:
        """Orders and fills as log lines of their own names, and as entries of the orders' stream."""
        session, entries = runner.session.pk, []
        for order in [*done.write.orders, *done.write.changed]:
            entries.append({"session": session, **order_as_json(order)})
            log.info("order_event", extra={"order": entries[-1]})
        for trade in done.write.trades:
            log.info("trade_executed", extra={"trade": {"session": session, **trade_as_json(trade)}})
        for decision in done.write.decisions:
            if decision.outcome in outcomes.REFUSALS:
                told = {"session": session, "symbol": decision.symbol, "refused_by": decision.outcome}
                log.info("risk_event", extra={"refusal": told})
        if done.instant is not None and done.write.orders and not done.instant.backfilled:
            waited_ms = (timezone.now() - mapping.moment(done.instant.received_ns)).total_seconds() * 1e3
            if waited_ms > SLOW_ORDER_MS:
                log.warning("an order took %.0f ms from its bar's close to its venue", waited_ms)
        self._later(functools.partial(streams.add, streams.ORDERS, entries))

    def state(self, runner: Runner, reason: str = "") -> None:
        session = runner.session
        payload = {
            "session": session.pk,
            "bot": session.bot_id,
            "state": str(runner.state),
            "word": runner.state.word(runner.stop_reason),
            "wanted": runner.wanted,
            "reason": reason,
        }
        for topic in (session.topic, f"user.{session.owner_id}"):
            self.tell(topic, "bot_status_changed", payload)

    def price(self, runner: Runner, tick: Tick) -> None:
        """The latest print; left out where much else waits to be told."""
        if self._queue.qsize() < FEW_WAITING:
            ts = mapping.moment(tick.ts).isoformat()
            payload = {"session": runner.session.pk, "symbol": tick.symbol, "px": tick.px, "ts": ts}
            self.tell(runner.session.topic, "price_update", payload)

    def _run(self) -> None:
        while True:
            work = self._queue.get()
            if work is None:
                return
            if self._queue.empty():  # the first one for a while
                time.sleep(AFTER_S)
            try:
                work()
            except Exception:
                log.exception("a piece of news was not told")


def signals_as_json(runner: Runner, done: Done) -> list[dict[str, Any]]:
    """The BUY and SELL signals of an instant."""
    return [
        {
            "session": runner.session.pk,
            "symbol": row.symbol,
            "action": row.action,
            "confidence": row.confidence,
            "px": row.close,
            "reasoning": row.reasoning,
            "strategy": runner.session.strategy,
            "ts": row.closed_at.isoformat(),
            "outcome": row.outcome,
        }
        for row in done.write.decisions
        if row.action != "HOLD"
    ]


def order_as_json(order: Order) -> dict[str, Any]:
    return {
        "id": order.pk,
        "seq": order.seq,
        "symbol": order.symbol,
        "side": order.side,
        "kind": order.kind,
        "qty": _text(order.qty),
        "filled_qty": _text(order.filled_qty),
        "limit_px": _text(order.limit_px),
        "stop_px": _text(order.stop_px),
        "state": str(order.state),
        "group": OrderState(order.state).group,
        "reason": order.reason,
    }


def trade_as_json(trade: Trade) -> dict[str, Any]:
    return {
        "id": trade.pk,
        "symbol": trade.symbol,
        "side": trade.side,
        "qty": _text(trade.qty),
        "px": _text(trade.px),
        "commission": _text(trade.commission),
        "realised_pnl": _text(trade.realised_pnl),
        "executed_at": trade.executed_at.isoformat(),
        "reason": trade.reason,
        "is_entry": trade.is_entry,
    }


def position_as_json(position: Position) -> dict[str, Any]:
    prices = ("entry_px", "current_px", "stop_px", "target_px", "trailing_px", "unrealised_pnl", "realised_pnl")
    return {
        "id": position.pk,
        "symbol": position.symbol,
        "side": position.side,
        "qty": _text(position.qty),
        "is_open": position.is_open,
        **{name: _text(getattr(position, name)) for name in prices},
    }


def cycle_as_json(runner: Runner, done: Done) -> dict[str, Any]:
    instant, write = done.instant, done.write
    if instant is None or write.cycle is None:
        raise ValueError("there was no bar")
    values = write.values
    waited = write.cycle.decided_at - write.cycle.received_at
    return {
        "session": runner.session.pk,
        "ts": write.cycle.closed_at.isoformat(),
        "equity": _text(values["equity"]),
        "cash": _text(values["cash"]),
        "exposure": _text(values["exposure"]),
        "day_pnl": _text(values["equity"] - values["day_start_equity"]),
        "total_pnl": _text(values["total_pnl"]),
        "unrealised_pnl": _text(values["unrealised_pnl"]),
        "open_positions": values["open_positions"],
        "bars": {
            symbol: {
                "time": instant.ts // 1_000_000_000,
                **dict(zip(("open", "high", "low", "close", "volume"), prices, strict=True)),
            }
            for symbol, prices in instant.bars.items()
        },
        "outcomes": {row.symbol: row.outcome for row in write.decisions if row.decides},
        "latency_ms": round(waited.total_seconds() * 1e3, 1),
    }


def _text(value: Any) -> str | None:
    return None if value is None else f"{value.normalize():f}"
