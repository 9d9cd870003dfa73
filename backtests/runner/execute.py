"""From a cleaned request and bars to a result."""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import numpy as np

import engine
from backtests.runner import benchmark as holding
from backtests.runner.alone import combined
from backtests.runner.config import RunConfig, clean
from backtests.runner.result import RunResult
from engine.backtest import Cancelled, simulate
from engine.bars import Bars
from engine.errors import Fault, InputError
from engine.exchange import ROUND_THE_CLOCK
from engine.result import Result
from engine.rules import Costs, Rules
from engine.types import NANOS_PER_DAY
from strategies import catalogue, reading, session_settings
from strategies.base import Strategy

__all__ = ["Cancelled", "RunResult", "run", "strategy_version", "versions", "warm"]

Progress = Callable[[int, int], bool | None]
Signals = Mapping[str, np.ndarray]

# The libraries whose version can change a figure.
_LIBRARIES = ("numpy", "numba", "TA-Lib", "exchange-calendars", "pyarrow")


def run(
    config: RunConfig,
    bars: Mapping[str, Bars],
    *,
    match_bars: Mapping[str, Bars] | None = None,
    benchmark: Bars | None = None,
    signals: Signals | None = None,
    on_progress: Progress | None = None,
) -> RunResult:
    """Simulate one request.

    bars: to decide on, by symbol; exactly those of ``config.symbols``. match_bars: finer bars of the same symbols where
    ``config.match_timeframe`` is set. benchmark: what ``config.benchmark`` names; None: the run's own symbols, held.
    signals: one array a symbol in the place of the strategy's (int8 or `engine.types.SIGNAL`, one entry a bar).
    on_progress(done_bars, total_bars): now and then; returning False raises `Cancelled`.
    Raises InputError, e.g. for settings that do not fit these bars.
    """
    missing = [symbol for symbol in config.symbols if symbol not in bars]
    if missing:
        raise InputError(Fault("symbols", "not_found", f"There are no bars of {missing[0]}"))
    chosen = {symbol: bars[symbol] for symbol in config.symbols}
    walked = {symbol: match_bars[symbol] for symbol in config.symbols} if match_bars is not None else chosen
    strategy = catalogue.get(config.strategy)(**config.strategy_parameters) if config.strategy else None
    if signals is None:
        if strategy is None:
            raise InputError(Fault("strategy", "required", "There is neither a strategy nor given signals"))
        reading.refuse_missing(strategy, chosen)
        signals = reading.read(strategy, chosen, scored=reads_confidence(config))
    rules, costs = rules_of(config, chosen, walked, strategy)

    def simulated(symbols: tuple[str, ...], cash: float, progress: Progress | None) -> Result:
        return simulate(
            {symbol: chosen[symbol] for symbol in symbols},
            {symbol: signals[symbol] for symbol in symbols},
            rules=rules,
            costs=costs,
            starting_cash=cash,
            match_bars=None if match_bars is None else {symbol: walked[symbol] for symbol in symbols},
            legs=reading.legs(strategy, symbols) if strategy is not None else (),
            on_progress=progress,
        )

    cash = float(config.initial_capital)
    if config.symbols_alone and len(config.symbols) > 1:
        parts = []
        done, total = 0, sum(len(series) for series in walked.values())
        for symbol in config.symbols:
            parts.append(simulated((symbol,), cash / len(config.symbols), _shifted(on_progress, done, total)))
            done += len(walked[symbol])
        result = combined(parts)
    else:
        result = simulated(config.symbols, cash, on_progress)
    held = holding.held({benchmark.symbol: benchmark} if benchmark is not None else walked, result.equity["ts"])
    return RunResult.of(config, result, strategy, walked, held, _benchmark_label(config))


def strategy_version(config: RunConfig) -> str:
    """The version of the request's strategy as it is installed; "" for given signals."""
    return catalogue.get(config.strategy).version() if config.strategy else ""


@functools.cache
def versions() -> dict[str, str]:
    """What can change a figure: ``engine`` is 12 hex digits of its source, the rest are versions of libraries."""
    source = hashlib.sha256()
    home = Path(engine.__file__).parent
    for path in sorted(home.rglob("*.py")):
        source.update(path.relative_to(home).as_posix().encode())
        source.update(path.read_bytes())
    found = {"engine": source.hexdigest()[:12], "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def warm() -> None:
    """Load everything that a first backtest would wait for: kernels, indicators, the reader of stored bars."""
    import pyarrow.parquet  # noqa: F401

    n = 60
    close = 100.0 + np.sin(np.arange(n) / 5.0)
    bars = Bars.from_arrays(
        "WARM",
        "1d",
        np.arange(n, dtype=np.int64) * NANOS_PER_DAY,
        close,
        close,
        close,
        close,
        np.ones(n),
        calendar="XNYS",
    )
    for slug in ("ma_crossover", "rsi_bollinger"):
        # Built-in metrics only: users' own may take their time.
        run(clean({"strategy": slug, "symbols": ["WARM"]}), {"WARM": bars}).engine.metrics(["sharpe"])
    versions()


def reads_confidence(config: RunConfig) -> bool:
    """Whether confidence can matter: it decides who is served first and who is refused, else it is not computed."""
    return (len(config.symbols) > 1 and not config.symbols_alone) or config.settings["min_confidence"] > 0


def rules_of(
    config: RunConfig, chosen: Mapping[str, Bars], walked: Mapping[str, Bars], strategy: Strategy | None
) -> tuple[Rules, Costs]:
    """The request's settings as the engine takes them. chosen: bars decided on; walked: those that orders meet."""
    settings = session_settings.clean(config.settings)
    # The window asks each symbol's own calendar; only where all trade round the clock is there none.
    calendars = [series.calendar for series in walked.values() if series.calendar != ROUND_THE_CLOCK]
    return session_settings.to_rules(
        settings,
        calendar=calendars[0] if calendars else ROUND_THE_CLOCK,
        timeframe=next(iter(chosen.values())).timeframe,
        match_timeframe=next(iter(walked.values())).timeframe,
        allow_short=strategy.allows_short if strategy is not None else True,
    )


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """`progress` for a run that is one part of several: `before` bars are done already, of `total`."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


def _benchmark_label(config: RunConfig) -> str:
    if config.benchmark:
        return f"{config.benchmark} held"
    if len(config.symbols) == 1:
        return f"{config.symbols[0]} held"
    return f"All {len(config.symbols)} symbols held"
