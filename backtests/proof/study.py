"""One request under the microscope: the same run with other parameters, other costs, over parts of its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backtests.proof.entries import Held
from backtests.runner import RunConfig, RunResult, execute
from engine.bars import Bars
from engine.errors import InputError
from engine.types import NANOS_PER_DAY
from strategies import catalogue, reading
from strategies.session_settings import SETTINGS

Floats = NDArray[np.float64]
Signals = Mapping[str, np.ndarray]

_COSTS: Final = ("slippage_value", "commission_rate", "commission_per_share", "commission_min")
# The single costs of a run that has none: five basis points of each fill for the spread, five for the broker.
ASSUMED_COSTS: Final[dict[str, Any]] = {
    "slippage_model": "proportional",
    "slippage_value": 0.0005,
    "commission_rate": 0.0005,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run. days: UTC dates, as days since 1970. returns: simple, one a day, the first from the starting cash.
    trades: what each round trip added, as a ratio of equity when it was entered. growth: final equity over starting."""

    days: NDArray[np.int64]
    returns: Floats
    trades: Floats
    growth: float
    longest_held_days: int


class Study:
    """A cleaned request with its bars, and runs of its variants. match_bars: as `backtests.runner.run` has them.

    on_bars(done, total): within each run, now and then; answering False ends it with `execute.Cancelled`.
    """

    def __init__(
        self,
        config: RunConfig,
        bars: Mapping[str, Bars],
        *,
        match_bars: Mapping[str, Bars] | None = None,
        on_bars: execute.Progress | None = None,
    ) -> None:
        self.config, self.bars, self.match_bars, self._on_bars = config, bars, match_bars, on_bars
        self.strategy = catalogue.get(config.strategy)

    @property
    def parameters(self) -> dict[str, Any]:
        return self.config.strategy_parameters

    @property
    def periods_per_year(self) -> float:
        """Trading days a year of its markets: 365 where all trade round the clock, else 252."""
        return 365.0 if all(one.calendar == "24/7" for one in self.bars.values()) else 252.0

    def signals(self, parameters: Mapping[str, Any]) -> Signals:
        """Of the whole series. They are causal, so those of a part are a part of them."""
        return reading.read(self.strategy(**parameters), {symbol: self.bars[symbol] for symbol in self.config.symbols})

    def run(
        self, parameters: Mapping[str, Any], signals: Signals, settings: Mapping[str, Any] | None = None
    ) -> RunResult:
        """Over all bars. settings: those that differ from the request's."""
        return self._run(parameters, signals, self.bars, self.match_bars, settings or {})

    def part(self, parameters: Mapping[str, Any], signals: Signals, first: int, end: int) -> Outcome | None:
        """From the starting cash and without a position, over the days [first, end) (since 1970, UTC) alone.

        None where no symbol has two bars in them, or the engine takes so few of them not.
        """
        start, stop = first * NANOS_PER_DAY, end * NANOS_PER_DAY
        rows = {
            symbol: slice(int(np.searchsorted(one.ts, start)), int(np.searchsorted(one.ts, stop)))
            for symbol, one in self.bars.items()
        }
        rows = {symbol: row for symbol, row in rows.items() if row.stop - row.start > 1}
        if not rows:
            return None
        finer = None
        if self.match_bars is not None:
            finer = {}
            for symbol in rows:
                one = self.match_bars[symbol]
                finer[symbol] = one[int(np.searchsorted(one.ts, start)) : int(np.searchsorted(one.ts, stop))]
        try:
            result = self._run(
                parameters,
                {symbol: signals[symbol][row] for symbol, row in rows.items()},
                {symbol: self.bars[symbol][row] for symbol, row in rows.items()},
                finer,
                {},
            )
        except InputError:
            return None
        return outcome(result)

    def held(self, result: RunResult) -> list[Held]:
        """The closed positions of a run, by symbol, over the bars that it walked through."""
        walked = self.match_bars or self.bars
        closes = self.config.settings["fill_at"] == "this_close"
        trips, found = result.engine.positions, []
        for index, symbol in enumerate(result.engine.symbols):
            own = trips[trips["symbol"] == index]
            if len(own) == 0:
                continue
            own = own[np.argsort(own["entry_ts"], kind="stable")]
            series = walked[symbol]
            entry, exit = (np.searchsorted(series.ts, own[name]) for name in ("entry_ts", "exit_ts"))
            prices = series.close if closes else series.open
            found.append(Held(np.asarray(prices), entry, np.maximum(exit, entry), own["side"].astype(np.int64)))
        return found

    def stressed(self, factor: float) -> tuple[dict[str, Any], bool]:
        """(settings with costs `factor` times as high, whether they had to be assumed because the request has none)."""
        settings = self.config.settings
        charged = [name for name in _COSTS if settings[name]]
        if settings["slippage_model"] == "none" and "slippage_value" in charged:
            charged.remove("slippage_value")
        if not charged:
            return ASSUMED_COSTS | {name: ASSUMED_COSTS[name] * factor for name in _COSTS[:2]}, True
        return {name: min(settings[name] * factor, SETTINGS[name].max) for name in charged}, False

    def _run(
        self,
        parameters: Mapping[str, Any],
        signals: Signals,
        bars: Mapping[str, Bars],
        match_bars: Mapping[str, Bars] | None,
        settings: Mapping[str, Any],
    ) -> RunResult:
        config = replace(
            self.config,
            symbols=tuple(symbol for symbol in self.config.symbols if symbol in bars),
            strategy_parameters=dict(parameters),
            settings=self.config.settings | dict(settings),
            benchmark=None,
        )
        return execute.run(config, bars, match_bars=match_bars, signals=signals, on_progress=self._on_bars)


def outcome(result: RunResult) -> Outcome:
    """What the tests read of a run."""
    run = result.engine
    marks = np.concatenate(([run.starting_cash], run.daily["equity"]))
    with np.errstate(divide="ignore", invalid="ignore"):
        # An account that is worth nothing stays worth nothing.
        returns = np.nan_to_num(np.where(marks[:-1] > 0, marks[1:] / marks[:-1] - 1.0, 0.0))
    trips = run.positions
    row = np.searchsorted(run.equity["ts"], trips["entry_ts"], side="left") - 1
    before = np.where(row >= 0, np.asarray(run.equity["equity"])[np.maximum(row, 0)], run.starting_cash)
    trades = np.divide(trips["pnl_net"], before, out=np.zeros(len(trips)), where=before > 0)
    longest = int((trips["exit_ts"] - trips["entry_ts"]).max() // NANOS_PER_DAY) + 1 if len(trips) else 0
    return Outcome(
        days=np.asarray(run.daily["date"]),
        returns=np.maximum(returns, -1.0),
        trades=np.maximum(np.asarray(trades), -1.0),
        growth=float(marks[-1] / run.starting_cash),
        longest_held_days=longest,
    )
