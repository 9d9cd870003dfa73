"""The figures of a strategy in the gallery: the same backtest for everybody, told by parts in time.

Signals are asked once, over all bars. Each part is then simulated by itself, from the same money and without a
position, so that nothing earned before counts for it:

- in sample: the first 70 % of the bars that were there when the strategy last changed
- held out: the rest of those; the author may have seen them
- out of sample: bars after that; the author cannot have known them

Every part pays the costs of `strategies.gallery.subjects.COSTS`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from celery.exceptions import SoftTimeLimitExceeded

from accounts import quotas
from backtests.runner import clean, report
from engine.errors import Fault, InputError
from engine.result import iso_times
from marketdata.zones import to_ns
from strategies import reading
from strategies.gallery import figures, markets, subjects
from strategies.gallery.figures import HELD_OUT, IN_SAMPLE, OUT_OF_SAMPLE
from strategies.gallery.models import Publication
from tradingsite.lib.errors import QuotaExceeded

if TYPE_CHECKING:
    from backtests.runner import RunResult
    from engine import Bars
    from marketdata.services import LoadedBars

log = logging.getLogger(__name__)

FEWEST_BARS = 100
CHART_POINTS = 600  # of each part
# What is kept of each part, by the engine's names.
METRICS = (
    "total_return_pct", "benchmark_return_pct", "cagr_pct", "sharpe", "max_drawdown_pct", "trade_count",
    "win_rate_pct", "profit_factor", "exposure_pct", "average_exposure_pct", "total_costs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of time, [start, end) in ns UTC by the starts of bars."""

    name: str
    start: int
    end: int


def measure(publication_id: int) -> None:
    """Compute and keep the figures of a publication that waits for them; why not, where that cannot be."""
    publication = figures.claim(publication_id)
    if publication is None:
        log.info("publication %s: nothing to compute", publication_id)
        return
    try:
        found = _measured(publication)
    except InputError as error:
        figures.fail(publication, f"It cannot be measured: {error}")
    except QuotaExceeded as refusal:
        figures.fail(publication, refusal.message)
    except SoftTimeLimitExceeded:
        figures.fail(publication, "It took longer than one backtest may take.")
    except MemoryError:
        figures.fail(publication, "It needs more memory than this machine has. Measure it on fewer bars.")
    except Exception:
        log.exception("publication %s failed", publication_id)
        figures.fail(publication, "Something is wrong on our side; the log has the details.")
    else:
        figures.keep(publication, *found)


def parts_of(ts: np.ndarray, since: int) -> list[Part]:
    """The parts of a line of times: int64 ns UTC, ascending, the start of each bar. since: when the strategy changed.

    Raises InputError for fewer than 100 bars before that.
    """
    known = int(np.searchsorted(ts, since))
    if known < FEWEST_BARS:
        text = f"{known} bars lie before its last change, and it takes {FEWEST_BARS} to tell anything"
        raise InputError(Fault("symbols", "out_of_range", text, "Choose symbols with a longer history"))
    middle = int(ts[int(known * subjects.IN_SAMPLE_SHARE)])
    parts = [Part(IN_SAMPLE, int(ts[0]), middle), Part(HELD_OUT, middle, int(ts[known - 1]) + 1)]
    if len(ts) - known > 1:
        parts.append(Part(OUT_OF_SAMPLE, int(ts[known]), int(ts[-1]) + 1))
    return parts


def _measured(publication: Publication) -> tuple[dict[str, Any], dict[str, Any], str]:
    """(figures, chart, hash of the data)."""
    subject = publication.subject
    subjects.refuse_unsound(subject)
    strategy = subjects.declared(subject)(**subject.parameters)
    loaded = _load(publication)
    quotas.check_bars(publication.owner, sum(len(bars) for bars in loaded.bars.values()))
    signals = reading.read(strategy, loaded.bars)
    ts = np.unique(np.concatenate([bars.ts for bars in loaded.bars.values()]))
    told, lines, prints = [], [], []
    for part in parts_of(ts, to_ns(publication.choice_since)):
        result = _run(publication, loaded.bars, signals, part)
        told.append(_told(part, result))
        lines.append(_line(result))
        prints.append(result.fingerprint())
    document = {
        "parts": told,
        "last_bar": iso_times(ts[-1:])[0],
        "synthetic": loaded.synthetic,
        "notes": loaded.notes,
        "starting_cash": subjects.STARTING_CASH,
        "result_hash": hashlib.sha256("\n".join(prints).encode()).hexdigest(),
    }
    return document, _chained(lines), loaded.data_hash


def _load(publication: Publication) -> LoadedBars:
    """Bars as they are stored now, all of them."""
    from marketdata.services import load_bars

    stored = markets.series(publication.owner_id, publication.source, publication.symbols)
    series = [kept[publication.timeframe] for kept in stored.values() if publication.timeframe in kept]
    if len(series) < len(publication.symbols):
        text = f"{publication.timeframe} bars of all of {', '.join(publication.symbols)} are stored no longer"
        raise InputError(Fault("symbols", "not_found", text, "Choose another market"))
    first, last = min(one.first_at for one in series), max(one.last_at for one in series)
    return load_bars(
        publication.symbols,
        publication.timeframe,
        first.date(),
        last.date(),
        source=publication.source,
        owner=publication.owner_id,
    )


def _run(
    publication: Publication, bars: Mapping[str, Bars], signals: Mapping[str, np.ndarray], part: Part
) -> RunResult:
    """The simulation of one part, of the symbols that have bars in it."""
    from backtests.runner import run

    rows = {
        symbol: slice(int(np.searchsorted(one.ts, part.start)), int(np.searchsorted(one.ts, part.end)))
        for symbol, one in bars.items()
    }
    rows = {symbol: row for symbol, row in rows.items() if row.stop > row.start}
    config = clean(
        {
            "strategy": subjects.slug_of(publication.subject),
            "strategy_parameters": publication.subject.parameters,
            "symbols": list(rows),
            "timeframe": publication.timeframe,
            "source": publication.source,
            "initial_capital": subjects.STARTING_CASH,
            "settings": subjects.run_settings(publication.subject),
        }
    )
    chosen = {symbol: bars[symbol][row] for symbol, row in rows.items()}
    return run(config, chosen, signals={symbol: signals[symbol][row] for symbol, row in rows.items()})


def _told(part: Part, result: RunResult) -> dict[str, Any]:
    first, last = iso_times(result.engine.equity["ts"][[0, -1]])
    return {
        "part": part.name,
        "first_bar": first,
        "last_bar": last,
        "bars": len(result.engine.equity),
        **{name: result.figures[name] for name in METRICS},
    }


def _line(result: RunResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(times, equity, benchmark) of one part, 1.0 at its start, thinned out for a chart."""
    run = result.engine
    equity = np.asarray(run.equity["equity"]) / run.starting_cash
    index = report.kept(equity, CHART_POINTS)
    return np.asarray(run.equity["ts"])[index], equity[index], (result.benchmark / run.starting_cash)[index]


def _chained(lines: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Growth of 100, each part going on where the one before ended.

    ``{"time": [Unix s], "strategy": [float], "benchmark": [float], "starts": [Unix s of each part's first bar]}``.
    """
    worth = held = 100.0
    chart: dict[str, Any] = {"time": [], "strategy": [], "benchmark": [], "starts": []}
    for times, equity, benchmark in lines:
        chart["starts"].append(report.seconds(times[:1])[0])
        chart["time"] += report.seconds(times)
        chart["strategy"] += report.finite(equity * worth, 8)
        chart["benchmark"] += report.finite(benchmark * held, 8)
        worth, held = worth * float(equity[-1]), held * float(benchmark[-1])
    return chart
