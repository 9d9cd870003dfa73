"""The state of one portfolio and its `step`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engine.backtest import build_result, read_cash
from engine.bars import Bars
from engine.errors import Fault, InputError
from engine.exchange import ROUND_THE_CLOCK, periods_per_year
from engine.external import step_without_matching
from engine.groups import Legs, read_groups
from engine.interventions import ALL_SYMBOLS, CANCEL_ENTRY, intervene
from engine.portfolio.broker import FilledByBroker, refuse_quotes, refuse_rules
from engine.portfolio.columns import FIRST_CAPACITY, Columns
from engine.portfolio.gates import Gate, Size, facts_of, gates_of, size_of
from engine.portfolio.inputs import check_step, read_blocks
from engine.portfolio.keeping import Essence, essence, pack, unpack
from engine.portfolio.reports import Reports
from engine.portfolio.settings import refuse_change, stepped_settings, switch
from engine.portfolio.views import OutsideExposure, StepLog
from engine.result import Result
from engine.rules import Costs, Rules
from engine.step import advance
from engine.types import (
    BUY,
    NANOS_PER_DAY,
    REASON_NAMES,
    REQUEST_REASONS,
    SELL,
    Records,
)
from engine.windows import TradingWindow
from engine.world import Logs, World, feed_records, fresh_book, fresh_holdings

_TRIM_AFTER: Final = FIRST_CAPACITY - 1  # steps; before any column would grow


class Portfolio(FilledByBroker):
    """The state of one portfolio and its `step`.

    bars: one Bars a symbol for its timeframe, calendar and lot size; their rows are not traded, they may be empty.
    finer_matching: as match_bars in simulate(): the steps are fine bars, and the symbols that a step gives signals for
        are those whose decision bar ends with it.
    legs: groups of symbols; the entries of one group that one step decides are all placed, or none.
    external_fills: a broker fills, not the simulated venue: `step` marks, protects and decides; executions come in
        between steps, by the methods of FilledByBroker. docs/fills.md section 18.
    keep_history: False lets `step` call `trim` by itself, so that a portfolio may live for years in the same memory.

    Raises InputError for bars, cash or legs that make no sense, and for rules that no broker can follow.
    """

    def __init__(
        self,
        bars: Mapping[str, Bars],
        *,
        rules: Rules | None = None,
        costs: Costs | None = None,
        starting_cash: float = 100_000.0,
        finer_matching: bool = False,
        legs: Legs = (),
        external_fills: bool = False,
        keep_history: bool = True,
    ) -> None:
        if not bars or len({one.timeframe for one in bars.values()}) != 1:
            raise InputError(Fault("bars", "conflict", "at least one symbol, and all of one timeframe"))
        self.symbols = tuple(sorted(bars))
        self.rules, self.costs = rules or Rules(), costs or Costs()
        self._markets = [bars[symbol] for symbol in self.symbols]
        self._by_name = dict(zip(self.symbols, self._markets, strict=True))
        self._finer, self._keeps, self._external = finer_matching, keep_history, external_fills
        if external_fills:
            refuse_rules(self.rules)
        self._groups = read_groups(legs, self.symbols)
        self._one_calendar = len({one.calendar for one in self._markets}) == 1
        self._steps = 0  # rows of times; `_done` counts those that were trimmed too
        self._done = 0
        self._day: int | None = None
        self._index = {symbol: s for s, symbol in enumerate(self.symbols)}
        self._columns = [Columns() for _ in self.symbols]
        self._times = np.zeros(FIRST_CAPACITY, dtype=np.int64)
        logs = Logs()
        logs.reserve(len(self.symbols), self._times, FIRST_CAPACITY, equity=True)
        book, holdings = fresh_book(read_cash(starting_cash)), fresh_holdings(len(self.symbols))
        self._world = World(self._settings(), self._feeds(), self._times, book, holdings, logs)
        self._equity = book["equity"]
        self._day_start = float(self._equity[0])
        self._surrounded = False
        self._outside = OutsideExposure()
        self._reports = Reports(self._world, self.symbols)

    def step(
        self,
        ts: int,
        bars: Mapping[str, tuple[float, float, float, float, float]],
        signals: Mapping[str, Any] | None = None,
        *,
        last: bool = False,
        blocked: Mapping[str, str] | str | None = None,
        outside: OutsideExposure | None = None,
    ) -> StepLog:
        """Go on by one bar time.

        ts: when the bars opened, int64 ns UTC, later than the step before. bars: (open, high, low, close, volume) of
        each symbol that has one. signals: for these symbols an action (as in simulate()), or a record of
        engine.types.SIGNAL; known at the bars' close. last: this step ends the run (close_at_end). blocked: entries of
        these symbols (of all, if it is one name) are refused in this step with that denial, one of
        engine.types.BLOCK_NAMES; exits go on. outside: what the same account holds elsewhere now, for the caps that
        count it.

        Raises InputError for times that do not rise, prices that make no bar, unknown symbols and names; then nothing
        was done.
        """
        signals = signals or {}
        checked = check_step(ts, bars, signals, self._by_name, self.last_ts)
        if self._external:
            refuse_quotes(checked)
        blocks = read_blocks(blocked, self._index) if blocked else {}
        days = [self._look_up(self._index[symbol], ts) for symbol in checked]
        if blocks or outside or self._surrounded:
            self._surround(blocks, outside)
        self._begin_day(days[0] if self._one_calendar else ts // NANOS_PER_DAY)
        before = self._reports.before()
        for symbol, (prices, signal) in checked.items():
            if self._columns[self._index[symbol]].append(
                ts, prices, signal, closes=not self._finer or symbol in signals
            ):
                self._rebind()
        if self._steps == len(self._times):
            self._times = _doubled(self._times)
            self._rebind()
        self._times[self._steps] = ts
        while not self._advance(last):
            self._reports.make_room()
        self._steps += 1
        self._done += 1
        log = self._reports.log(before)
        if not self._keeps and self._steps >= _TRIM_AFTER:
            self.trim()
        return log

    def _advance(self, last: bool) -> bool:
        """Let the kernel do one step; False if a result buffer is full."""
        if self._external:
            return bool(step_without_matching(self._world.handle, self._steps))
        return int(advance(self._world.handle, self._steps, self._steps + 1, last)) > self._steps

    def change_rules(self, rules: Rules, costs: Costs | None = None) -> None:
        """Go on by other rules and costs (None: the same costs), from the next decision on; docs/fills.md section 15.

        A working entry and an open position keep what the entry was decided with. Raises InputError (conflict) for
        another `fill_at`, which would turn the meaning of the working orders, and as at the start; then nothing was
        done.
        """
        costs = costs or self.costs
        refuse_change(self.rules, rules)
        if self._external:
            refuse_rules(rules)
        old, self.rules = self.rules, rules
        if old == rules and costs == self.costs:
            return
        self.costs = costs
        world = self._world
        followed_days = world.settings["track_day"][0] == 1
        world.settings[:] = self._settings()
        world.settings["track_day"] = 1
        if not followed_days and self._day is not None:
            world.book["portfolio_day"], world.book["day_start_equity"] = self._day, self._day_start
        if old.rebalance != rules.rebalance:
            world.book["rebalance_period"] = np.iinfo(np.int64).min
        if old.atr_period != rules.atr_period:
            world.holdings["atr"], world.holdings["atr_sum"], world.holdings["atr_count"] = np.nan, 0.0, 0
        if old.correlation_bars != rules.correlation_bars:
            room = 2 * (rules.correlation_bars + 1)
            world.recent_ts, world.recent_px = world.straighten(world.holdings, room)
        world.facts["side"] = 0
        switch(self._world.settings, self._world.holdings, self._world.quotes)
        self._rebind()

    def request_exit(self, symbol: str | None, reason: str) -> StepLog:
        """A MARKET exit of the whole position in `symbol`, as if decided at the close of the last step; None: of every
        position, and all working entries and quotes are cancelled. What is being exited already is left alone.

        reason: one of engine.types.REQUEST_REASONS. Answers what changed at once; no later StepLog repeats it. Raises
        InputError for an unknown symbol or reason.
        """
        if reason not in REQUEST_REASONS:
            hint = "one of " + ", ".join(REQUEST_REASONS)
            raise InputError(Fault("reason", "unknown_choice", f"{reason!r} is no reason to exit", hint))
        return self._intervene(symbol, REASON_NAMES.index(reason))

    def cancel_entry(self, symbol: str | None) -> StepLog:
        """Cancel the working entry order and the quotes of `symbol` (None: every one), if there are any. Answers what
        changed, as `request_exit` does. Raises InputError for an unknown symbol."""
        return self._intervene(symbol, CANCEL_ENTRY)

    def gates(self, symbol: str, side: int = 1) -> list[Gate]:
        """What an entry of `symbol` meets, gate by gate in the order in which they are asked: the entry that the last
        step decided upon, or one on this side (+1, -1) decided at its close. Only gates that are switched on, and cash;
        empty before the symbol's first bar. The first gate that is not ok names the denial. Raises InputError."""
        facts = self._facts(symbol, side)
        return [] if facts is None else gates_of(facts, self.rules, self._outside, symbol)

    def size(self, symbol: str, side: int = 1) -> Size | None:
        """The size of such an entry; None before the symbol's first bar. Raises InputError."""
        facts = self._facts(symbol, side)
        return None if facts is None else size_of(facts)

    def result(self, benchmark: Bars | None = None) -> Result:
        """Everything since the last trim, as simulate() returns it. A copy: later steps do not change it."""
        round_the_clock = all(one.calendar == ROUND_THE_CLOCK for one in self._markets)
        per_year = periods_per_year(ROUND_THE_CLOCK if round_the_clock else "XNYS")
        return build_result(self._world, self.symbols, per_year, benchmark, copy=True)

    def trim(self) -> None:
        """Forget all rows of the past that no later step needs. Memory stays; `result` begins anew."""
        self._install(self._essence())

    def checkpoint(self) -> bytes:
        """All that is needed to go on, in a size that depends on the symbols and their working orders only."""
        return pack(self._essence(), self._kind(), self.rules, self.costs)

    def resume(self, data: bytes) -> None:
        """Go on from a checkpoint as if nothing had happened. This portfolio's own rules and costs, where they differ
        from those of the checkpoint, take their place as `change_rules` does.

        Raises InputError: `damaged`; `version_changed` for a checkpoint of another engine or of other symbols.
        """
        state, rules, costs = unpack(data, self._kind())
        own, own_costs = self.rules, self.costs
        refuse_change(rules, own)
        self.rules, self.costs = rules, costs
        self._world.settings[:] = self._settings()
        self._install(state)
        self.change_rules(own, own_costs)

    def _kind(self) -> dict[str, Any]:
        """What a portfolio must have in common with one whose state it takes over."""
        return {
            "symbols": list(self.symbols),
            "timeframe": self._markets[0].timeframe,
            "calendars": [one.calendar for one in self._markets],
            "lots": [[one.lot_size, one.fractionable] for one in self._markets],
            "finer_matching": self._finer,
            "legs": self._groups,
        } | ({"external_fills": True} if self._external else {})

    def _essence(self) -> Essence:
        dropped = np.array([max(columns.n - 1, 0) for columns in self._columns])
        counts = {"done": self._done, "next_serial": self._reports.next_serial, "day": self._day}
        return essence(
            self._world,
            self._reports.serials,
            [columns.last() for columns in self._columns],
            dropped,
            self.last_ts,
            {**counts, "day_start": self._day_start, "track_day": int(self._world.settings["track_day"][0])},
            finer=self._finer,
        )

    def _install(self, state: Essence) -> None:
        """Put a state in the place of what is there, in the same memory."""
        world, logs = self._world, self._world.logs
        world.book[:], world.holdings[:], world.lists[:] = state.book, state.holdings, state.lists
        world.quotes[:] = state.quotes
        for name, rows in (("orders", state.orders), ("denials", state.denials)):
            logs.rows[name][: len(rows)] = rows
        logs.daily[: len(state.daily)] = state.daily
        if len(state.recent_ts) != len(world.recent_ts):
            world.recent_ts, world.recent_px = state.recent_ts, state.recent_px
            self._rebind()
        world.recent_ts[:], world.recent_px[:] = state.recent_ts, state.recent_px
        world.pace[: len(state.pace)] = state.pace
        for columns, rows in zip(self._columns, state.bars, strict=True):
            columns.restart(rows)
        self._steps = int(state.last_ts is not None)
        self._times[0] = state.last_ts or 0
        counts: dict[str, Any] = state.counts
        self._done, self._day, self._day_start = counts["done"], counts["day"], counts["day_start"]
        world.settings["track_day"] = counts["track_day"]
        self._surrounded = True  # as far as is known
        self._reports.number(state.serials, counts["next_serial"])
        switch(self._world.settings, self._world.holdings, self._world.quotes)

    def _settings(self) -> Records:
        timeframe = self._markets[0].timeframe
        return stepped_settings(
            self.rules,
            self.costs,
            symbols=len(self.symbols),
            timeframe=timeframe,
            one_calendar=self._one_calendar,
            external=self._external,
        )

    def _facts(self, symbol: str, side: int) -> Any:
        s, last_ts = self._number(symbol), self.last_ts
        if side not in (BUY, SELL):
            raise InputError(Fault("side", "unknown_choice", f"{side!r} is no side", "+1 or -1"))
        if last_ts is None or self._columns[s].n == 0:
            return None
        return facts_of(self._world, s, side, last_ts)

    def _intervene(self, symbol: str | None, reason: int) -> StepLog:
        s = ALL_SYMBOLS if symbol is None else self._number(symbol)
        before, ts = self._reports.before(), self.last_ts
        if ts is not None:
            self._world.facts["side"] = 0  # they may be other ones now
            while not intervene(self._world.handle, ts, s, reason):
                self._reports.make_room()
        return self._reports.log(before)

    def _surround(self, blocks: Mapping[int, int], outside: OutsideExposure | None) -> None:
        """What the account says of this step: blocked symbols, and what it holds elsewhere."""
        holdings, settings = self._world.holdings, self._world.settings
        holdings["blocked"], holdings["outside"] = -1, 0.0
        for s, code in blocks.items():
            holdings["blocked"][s] = code
        self._outside = held = outside or OutsideExposure()
        settings["outside_gross"], settings["outside_net"] = held.gross, held.net
        for symbol, money in held.symbols.items():
            if symbol in self._index:
                holdings["outside"][self._index[symbol]] = money
        self._surrounded = bool(blocks) or outside is not None

    def _look_up(self, s: int, ts: int) -> int:
        """Session and window of the bar that comes next; its trading day. Raises InputError for a time that no calendar
        knows."""
        rows, market, window = self._columns[s], self._markets[s], self.rules.window
        columns, at = rows.columns, rows.n
        if isinstance(window, TradingWindow):
            times = np.array([ts], dtype=np.int64)
            columns["window"][at] = window.mask_of(times, market.timeframe, market.calendar)[0]
        elif window is not None:
            columns["window"][at] = bool(np.asarray(window)[self._done])
        day, columns["flags"][at] = rows.session(ts, market)
        columns["day"][at] = day
        return day

    def _begin_day(self, day: int) -> None:
        if day != self._day:
            self._day, self._day_start = day, float(self._equity[0])

    def _feeds(self) -> Records:
        feeds = []
        for columns, market, leg in zip(self._columns, self._markets, self._groups, strict=True):
            fractional = self.rules.allow_fractional and market.fractionable
            feeds.append(columns.feed(0.0 if fractional else market.lot_size, leg, finer=self._finer))
        return feed_records(feeds)

    def _rebind(self) -> None:
        self._world.feeds = self._feeds()
        self._world.times = self._times
        self._world.bind()


def _doubled(column: Records) -> Records:
    return np.concatenate((column, np.zeros(len(column), dtype=column.dtype)))
