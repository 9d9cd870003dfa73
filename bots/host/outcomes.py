"""The ledger of decisions: for each symbol and bar, what came of it and why, in words and in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bots import mapping
from bots.host.account import Account
from bots.host.desk import Desk, Verdict
from bots.models import Cycle, Decision, TradingSession
from engine.types import DENIAL_NAMES
from strategies.base import Signal

if TYPE_CHECKING:
    from bots.host.instants import Decided, Instant
    from bots.host.runner import Runner

PREFLIGHT = "not_sent"
REJECTED_BEFORE = "rejected_before"
REFUSALS = frozenset((*DENIAL_NAMES, PREFLIGHT, REJECTED_BEFORE))
# What is no refusal: outcome → words. Refusals have the names of the engine's denials.
WORDS = {
    "entry_order": "An entry order was placed.",
    "exit_order": "An exit order was placed.",
    "no_signal": "The strategy had no signal.",
    "warming_up": "The strategy has too little history yet.",
    "holding": "The position is there already.",
    "order_working": "An order for this is working already.",
    "nothing_to_sell": "There is nothing to sell, and shorting is off.",
    "nothing_to_close": "There is no position that this signal would close.",
    "quoting": "Its quotes rest in the market.",
    "matching": "A finer bar: orders are matched on it, nothing is decided.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the last look before sending takes an entry back. text: in words. outcome: the name in the ledger of
    decisions. gate: which look it was."""

    text: str
    outcome: str = PREFLIGHT
    gate: str = "venue_rule"


def cycle(runner: Runner, decided: Decided) -> Cycle:
    """The row of one instant: what was there before it and what interfered, so that it can be run again."""
    outside = decided.outside
    portfolio = runner.desk.portfolio
    return Cycle(
        session_id=runner.session.pk,
        ts_ns=decided.instant.ts,
        closed_at=mapping.moment(decided.instant.closed_ns),
        equity=decided.verdict.log.equity,
        cash=portfolio.cash,
        exposure=portfolio.exposure,
        settings_version=runner.version,
        blocked=decided.blocked or "",
        outside=None
        if outside is None
        else {"gross": outside.gross, "net": outside.net, "symbols": dict(outside.symbols), "caps": runner.caps},
        received_at=mapping.moment(decided.instant.received_ns),
        decided_at=decided.at,
        caught_up=decided.instant.backfilled,
        interventions=[{"do": "cancel", "symbol": symbol} for symbol in decided.denied],
    )


def decisions(
    session: TradingSession,
    desk: Desk,
    instant: Instant,
    verdict: Verdict,
    account: Account,
) -> list[Decision]:
    """One row for each symbol with a bar. Figures are float64, as the engine had them: the rows are the tape, too."""
    plan = desk.plan
    placed = _placed(verdict)
    denied = _denied(verdict)
    rows = []
    for symbol in sorted(instant.bars):
        signal = verdict.signals.get(symbol)
        rows.append(_row(session, instant, symbol, plan.match_timeframe, instant.ts, instant.bars[symbol]))
        row = rows[-1]
        if signal is None:
            row.decides, row.outcome, row.detail = False, "matching", WORDS["matching"]
            continue
        if desk.finer:
            start, prices = instant.deciding[symbol]
            row.decides, row.outcome, row.detail = False, "matching", WORDS["matching"]
            row = _row(session, instant, symbol, plan.timeframe, start, prices)
            rows.append(row)
        row.action, row.confidence, row.reasoning = signal.action, signal.confidence, signal.reasoning[:500]
        row.inputs, row.evidence = signal.metadata.get("values", {}), signal.metadata.get("evidence")
        row.exits, row.terms = signal.exits, dict(signal.terms)
        row.outcome, row.detail, row.order_seq = _outcome(
            symbol, signal, placed.get(symbol, []), denied.get(symbol, []), desk, account
        )
        if not signal.exits:  # what only closes passes no gate
            row.gates = [gate_as_json(gate) for gate in desk.gates(symbol, -1 if signal.action == "SELL" else 1)]
    return rows


def deny(rows: Iterable[Decision], denied: Mapping[str, Refusal]) -> None:
    """What the last look before sending took back: {symbol: why}."""
    for row in rows:
        if row.outcome == "entry_order" and row.symbol in denied:
            refusal = denied[row.symbol]
            row.outcome, row.detail = refusal.outcome, refusal.text[:300]
            refused = {"gate": refusal.gate, "value": None, "limit": None, "ok": False, "text": row.detail}
            row.gates = [*row.gates, refused]


def _row(
    session: TradingSession, instant: Instant, symbol: str, timeframe: str, start: int, prices: tuple[float, ...]
) -> Decision:
    open_, high, low, close, volume = prices
    return Decision(
        session_id=session.pk,
        symbol=symbol,
        ts_ns=start,
        closed_at=mapping.moment(instant.closed_ns),
        timeframe=timeframe,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        outcome="no_signal",
    )


def _placed(verdict: Verdict) -> dict[str, list[Any]]:
    """Orders that were decided at this bar's close, by symbol."""
    symbols = verdict.log.orders.symbols
    found: dict[str, list[Any]] = {}
    for row in verdict.log.orders:
        found.setdefault(symbols[row["symbol"]], []).append(row)
    return found


def _denied(verdict: Verdict) -> dict[str, list[Any]]:
    symbols = verdict.log.denials.symbols
    found: dict[str, list[Any]] = {}
    for row in verdict.log.denials:
        found.setdefault(symbols[row["symbol"]], []).append(row)
    return found


def _outcome(
    symbol: str, signal: Signal, placed: Iterable[Any], denied: Iterable[Any], desk: Desk, account: Account
) -> tuple[str, str, int | None]:
    """(outcome, detail in words, serial number of the order)."""
    cuts = [row for row in denied if row["allowed"] > 0.0]
    refusals = [row for row in denied if not row["allowed"] > 0.0]
    for order in placed:
        if order["entry"]:
            words = WORDS["entry_order"]
            for cut in cuts:
                reason = DENIAL_NAMES[cut["reason"]]
                words = f"An entry order was placed, cut from {cut['asked']:g} to {cut['allowed']:g} units ({reason})."
            return "entry_order", words, int(order["serial"])
    if refusals:
        row = refusals[0]
        asked = "" if np.isnan(row["asked"]) else f" It asked for {row['asked']:g} units."
        name = DENIAL_NAMES[row["reason"]]
        return name, f"Refused: {name.replace('_', ' ')}.{asked}", None
    for order in placed:
        return "exit_order", WORDS["exit_order"], int(order["serial"])
    if signal.terms.get("quote_qty"):
        return "quoting", WORDS["quoting"], None
    if signal.action == "HOLD":
        short = len(desk.histories[symbol]) < desk.warmup
        name = "warming_up" if short else "no_signal"
        return name, WORDS[name], None
    side = 1 if signal.action == "BUY" else -1
    holding = account.book.holdings.get(symbol)
    if holding is not None and holding.sign == side and not signal.exits:
        return "holding", WORDS["holding"], None
    working = [tracked.row for tracked in account.orders.values() if tracked.row.symbol == symbol]
    if working:
        return "order_working", WORDS["order_working"], working[0].seq
    if signal.exits:
        return "nothing_to_close", WORDS["nothing_to_close"], None
    return "nothing_to_sell", WORDS["nothing_to_sell"], None


def gate_as_json(gate: Any) -> dict[str, Any]:
    """A gate as rows hold it. Numbers that are not finite become null."""
    return {
        "gate": gate.name,
        "value": _plain(gate.value),
        "limit": _plain(gate.limit),
        "ok": bool(gate.ok),
        "text": gate.text,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value
