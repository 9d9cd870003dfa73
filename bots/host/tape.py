"""A session's tape: the bars it saw, the signals it read, what acted from outside; and a portfolio led along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bots.host import history
from bots.host.desk import Furnish, Plan, capped
from bots.host.plans import furnish_of, plan_of
from bots.host.splits import UNAWARE, Split, rescaled, splits_of
from bots.models import Cycle, Mode, TradingSession
from bots.settings_columns import from_columns
from engine import Portfolio
from engine.exchange import timeframe_ns
from engine.portfolio import OutsideExposure
from marketdata.columns import BarColumns
from strategies import reading
from strategies.base import Strategy, code_of

# What a broker does to a portfolio: the method's name, its arguments beside it.
BY_BROKER = (
    "fill", "end_order", "fill_exit", "book_execution", "split", "move_cash", "adopt", "release",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """A signal as the ledger has it: its code for the engine, its confidence, and its other terms."""

    code: int
    confidence: float
    terms: Mapping[str, float]


@dataclass(slots=True)
class Tape:
    """external_fills: a broker filled, and what it did stands among the interventions. warmup: decision bars before the
    first decision. deciding, matched: bars of the run, by symbol (the same without finer matching). signals, outcomes:
    (symbol, ts_open) → what was recorded. versions: of settings. furnish: as the session's desk has it. splits: those
    that it booked; its bars are as it saw them."""

    plan: Plan
    external_fills: bool
    warmup: dict[str, BarColumns]
    deciding: dict[str, BarColumns]
    matched: dict[str, BarColumns]
    signals: dict[tuple[str, int], Said]
    outcomes: dict[tuple[str, int], str]
    cycles: list[Cycle]
    versions: dict[int, dict[str, Any]]
    furnish: Furnish | None = None
    splits: Sequence[Split] = ()
    follows_splits: bool = True  # its feed does

    @classmethod
    def of(cls, session: TradingSession) -> Tape:
        versions = {row.version: from_columns(row) for row in session.settings_versions.order_by("version")}
        cycles = list(session.cycles.order_by("ts_ns"))
        first = cycles[0].settings_version if cycles else min(versions)
        plan = plan_of(session, versions[first])
        deciding, matched = _Columns(plan.symbols), _Columns(plan.symbols)
        signals: dict[tuple[str, int], Said] = {}
        outcomes: dict[tuple[str, int], str] = {}
        rows = session.decisions.order_by("ts_ns").values_list(
            "symbol",
            "ts_ns",
            "timeframe",
            "decides",
            "action",
            "exits",
            "confidence",
            "terms",
            "outcome",
            "open",
            "high",
            "low",
            "close",
            "volume",
        )
        for symbol, ts, timeframe, decides, action, exits, sure, terms, outcome, *prices in rows.iterator(
            chunk_size=5_000
        ):
            if decides:
                deciding.add(symbol, ts, prices)
                signals[symbol, ts], outcomes[symbol, ts] = Said(code_of(action, exits), sure, terms), outcome
            if timeframe == plan.match_timeframe:
                matched.add(symbol, ts, prices)
        warmup = history.unpack(bytes(session.memory.history))
        read = furnish_of(session, plan.build())
        is_live = session.mode == Mode.LIVE
        return cls(
            plan, is_live, warmup, deciding.columns(), matched.columns(), signals, outcomes, cycles, versions, read,
            splits_of(session), session.feed not in UNAWARE,
        )  # fmt: skip

    @property
    def is_undisturbed(self) -> bool:
        """Whether nothing but bars acted on it: then one call of `simulate` is the whole of it."""
        first = self.cycles[0].settings_version if self.cycles else 0
        return not self.external_fills and all(
            cycle.settings_version == first and not cycle.blocked and not cycle.interventions and cycle.outside is None
            for cycle in self.cycles
        )

    def as_seen(self, symbol: str, columns: BarColumns) -> BarColumns:
        """Matched bars of the feed as the session saw them: after a split in new units, whether the feed follows or
        not."""
        for split in self.splits:
            if split.symbol == symbol and not self.follows_splits:
                columns = rescaled(columns, columns.ts > split.after_ns, split.ratio)
        return columns


@dataclass(slots=True)
class _Columns:
    """Bars by symbol as they are read, row by row."""

    symbols: tuple[str, ...]
    rows: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)

    def add(self, symbol: str, ts: int, prices: list[float]) -> None:
        self.rows.setdefault(symbol, []).append((ts, *prices))

    def columns(self) -> dict[str, BarColumns]:
        found = {}
        for symbol in self.symbols:
            rows = self.rows.get(symbol, [])
            ts = np.array([row[0] for row in rows], dtype=np.int64)
            prices = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), 5)
            found[symbol] = BarColumns(ts, *(np.ascontiguousarray(column) for column in prices.T))
        return found


def lead(tape: Tape, portfolio: Portfolio, strategy: Strategy, decided: Mapping[int, Mapping[str, Any]]) -> None:
    """Lead a new portfolio along the tape, bar by bar, with what acted from outside done where it was done.

    decided: start of the matched bars → the records of the symbols whose decision bar closed with them (`by_close`).
    """
    rows = {symbol: _by_ts(tape.matched[symbol]) for symbol in tape.plan.symbols}
    followed: tuple[int, dict[str, float]] = (tape.cycles[0].settings_version if tape.cycles else 0, {})
    for cycle in tape.cycles:
        outside = dict(cycle.outside or {})
        caps = outside.pop("caps", {})
        if (cycle.settings_version, caps) != followed:
            followed = (cycle.settings_version, caps)
            portfolio.change_rules(*tape.plan.rules(capped(tape.versions[cycle.settings_version], caps), strategy))
        ts = cycle.ts_ns
        portfolio.step(
            ts,
            {symbol: rows[symbol][ts] for symbol in tape.plan.symbols if ts in rows[symbol]},
            decided.get(ts, {}),
            blocked=cycle.blocked or None,
            outside=OutsideExposure(**outside) if outside else None,
        )
        for done in cycle.interventions:
            intervene(portfolio, done)


def intervene(portfolio: Portfolio, done: Mapping[str, Any]) -> None:
    """Do again what a session's host did between two bars. Changed settings are followed with the next bar."""
    given = {name: value for name, value in done.items() if name != "do"}
    if done["do"] == "exit":
        portfolio.request_exit(done["symbol"], done["reason"])
    elif done["do"] == "cancel":
        portfolio.cancel_entry(done["symbol"])
    elif done["do"] in BY_BROKER:
        getattr(portfolio, done["do"])(**given)


def recorded(tape: Tape) -> dict[int, dict[str, Any]]:
    """The signals as they were recorded, for `lead`."""

    def of(said: Said) -> Any:
        return reading.record(said.code, said.confidence, said.terms)

    records = {
        symbol: [of(tape.signals[symbol, ts]) for ts in columns.ts.tolist()]
        for symbol, columns in tape.deciding.items()
    }
    return by_close(tape, records)


def _by_ts(columns: BarColumns) -> dict[int, tuple[float, ...]]:
    rows = zip(*(column.tolist() for column in columns.arrays()), strict=True)
    return dict(zip(columns.ts.tolist(), rows, strict=True))


def by_close(tape: Tape, records: Mapping[str, Sequence[Any]]) -> dict[int, dict[str, Any]]:
    """Start of the matched bar → the records that its symbols' decision bars, closing with it, gave."""
    shift = timeframe_ns(tape.plan.timeframe) - timeframe_ns(tape.plan.match_timeframe)
    found: dict[int, dict[str, Any]] = {}
    for symbol, series in records.items():
        for ts, one in zip(tape.deciding[symbol].ts.tolist(), series, strict=True):
            found.setdefault(ts + shift, {})[symbol] = one
    return found
