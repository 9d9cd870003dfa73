"""A finished backtest in words and figures: what the result and comparison pages draw, worked out from its summary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backtests import selectors
from backtests.models import Backtest
from backtests.words import DENIALS, REASONS
from engine import metrics
from engine.errors import InputError
from strategies import catalogue, reading
from tradingsite.lib.templatetags.figures import MINUS, NOTHING, money, num, pct, seconds, signed_money, signed_pct

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TRADES_PER_PAGE = 25
SPREADS_SHOWN = 100

HEADLINES = (
    "total_return_pct",
    "cagr_pct",
    "sharpe",
    "max_drawdown_pct",
    "win_rate_pct",
    "profit_factor",
    "trade_count",
)
GROUPS = (
    ("Return", ("final_equity", "total_return_pct", "cagr_pct", "annual_return_pct", "best_day_pct", "worst_day_pct")),
    ("Risk", ("volatility_pct", "max_drawdown_pct", "max_drawdown_start", "max_drawdown_low", "max_drawdown_end",
              "max_drawdown_days", "longest_drawdown_days", "var_95_pct", "cvar_95_pct", "skew", "kurtosis")),
    ("Return for risk", ("sharpe", "sortino", "calmar", "sqn")),
    ("Round trips", ("trade_count", "win_rate_pct", "profit_factor", "expectancy", "average_win", "average_loss",
                     "best_trade", "worst_trade", "average_holding_s", "average_holding_bars")),
    ("Market and costs", ("exposure_pct", "average_exposure_pct", "turnover_ratio", "total_commission",
                          "total_slippage", "total_costs")),
    ("Against the benchmark", ("benchmark_return_pct", "benchmark_volatility_pct", "alpha_pct", "beta", "correlation",
                               "information_ratio")),
)  # fmt: skip
SIGNED_PCT = {"total_return_pct", "cagr_pct", "annual_return_pct", "benchmark_return_pct", "alpha_pct", "best_day_pct"}
SIGNED_PCT |= {"worst_day_pct"}
SIGNED_MONEY = {"expectancy", "average_win", "average_loss", "best_trade", "worst_trade"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric as the page writes it, with its convention beside it."""

    label: str
    value: str
    convention: str


def figure_text(name: str, unit: str, value: Any) -> str | SafeString:
    """A metric's value as people read it: the unit with it, the sign where it says gain or loss, a dash for none."""
    if value is None:
        return NOTHING
    if name in SIGNED_PCT:
        return signed_pct(value)
    if name in SIGNED_MONEY:
        return signed_money(value)
    if unit == "pct":
        return pct(value)
    if unit == "money":
        return money(value)
    if unit == "count":
        return num(value, 0 if float(value).is_integer() else 1)
    if unit == "days":
        return f"{num(value, 0)} days"
    if unit == "seconds":
        return _long_duration(float(value))
    if unit == "time":
        return str(value)[:10]
    return num(value, 2)


def _long_duration(value: float) -> str:
    for length, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if value >= length:
            return f"{num(value / length, 1)} {word}"
    return seconds(value)


class ResultPage:
    """Everything on the result page except the round trips and the series of the charts."""

    def __init__(self, backtest: Backtest) -> None:
        self.backtest = backtest
        self.summary = selectors.summary(backtest) or {}
        self.values: dict[str, Any] = self.summary.get("metrics") or {}
        self._known = {entry["name"]: entry for entry in metrics.describe()}

    def _figure(self, name: str) -> Figure:
        entry = self._known[name]
        return Figure(entry["label"], figure_text(name, entry["unit"], self.values.get(name)), entry["convention"])

    @cached_property
    def headlines(self) -> list[dict[str, Any]]:
        """The tiles on top; where the benchmark has the figure too, it stands beneath."""
        benchmark = self.summary.get("benchmark_metrics") or {}
        beneath = {"total_return_pct": self.values.get("benchmark_return_pct"), **benchmark}
        tiles = []
        for name in HEADLINES:
            if name not in self.values:
                continue
            figure = self._figure(name)
            other = beneath.get(name)
            note = ""
            if other is not None and name not in ("trade_count", "win_rate_pct", "profit_factor"):
                text = _plain(figure_text(name, self._known[name]["unit"], other))
                note = format_html('Benchmark <span class="nowrap">{}</span>', text)
            tiles.append({"label": figure.label, "value": figure.value, "note": note, "help": figure.convention})
        return tiles

    @cached_property
    def groups(self) -> list[tuple[str, list[Figure]]]:
        """Every metric of the run under its heading; a metric that somebody added stands under "More"."""
        placed = {name for _, names in GROUPS for name in names}
        more = tuple(name for name in self.values if name not in placed and name in self._known)
        shown = [
            (title, [self._figure(n) for n in names if n in self.values]) for title, names in (*GROUPS, ("More", more))
        ]
        return [(title, figures) for title, figures in shown if figures]

    @cached_property
    def months(self) -> list[dict[str, Any]]:
        """The heat map: a row a year, each cell with its text and its shade (up or down, three steps each)."""
        rows = []
        for row in self.summary.get("monthly_returns") or []:
            cells = [
                {"name": MONTHS[i], "text": _cell(value), "shade": _shade(value)}
                for i, value in enumerate(row["months"])
            ]
            rows.append(
                {
                    "year": row["year"],
                    "cells": cells,
                    "total": _cell(row["year_pct"]),
                    "shade": _shade(row["year_pct"], 4),
                }
            )
        return rows

    month_names = MONTHS

    @cached_property
    def denials(self) -> list[dict[str, Any]]:
        """What was refused or made smaller, and why, the most frequent first."""
        return [
            {
                **row,
                "words": DENIALS.get(row["reason"], row["reason"]),
                "effect": "Made smaller" if row["cut"] else "Refused",
            }
            for row in self.summary.get("denials") or []
        ]

    @property
    def by_symbol(self) -> list[dict[str, Any]]:
        """Round trips and profit of each symbol; nothing to break down for a single one."""
        rows = self.summary.get("by_symbol") or []
        return rows if len(rows) > 1 else []

    @cached_property
    def _spreads(self) -> list[dict[str, Any]] | None:
        return selectors.spread_trades(self.backtest)

    @cached_property
    def spread_trades(self) -> list[dict[str, Any]] | None:
        """The newest trades of several legs, newest first, as the table shows them; None where none are traded."""
        if self._spreads is None:
            return None
        newest = sorted(self._spreads, key=lambda trade: trade["entry_time"], reverse=True)[:SPREADS_SHOWN]
        return [
            {
                **trade,
                "entry_at": _moment(trade["entry_time"]),
                "exit_at": _moment(trade["exit_time"]) if trade["exit_time"] else None,
            }
            for trade in newest
        ]

    @property
    def spread_words(self) -> str:
        """How many there are, won, and which are shown."""
        found = self._spreads or []
        closed = [trade for trade in found if trade["exit_time"]]
        won = sum(trade["pnl_net"] > 0 for trade in closed)
        text = f"{num(len(closed), 0)} closed, {num(won, 0)} of them won"
        if len(found) > len(closed):
            text += f"; {num(len(found) - len(closed), 0)} open"
        return text + (f"; the newest {SPREADS_SHOWN} are shown" if len(found) > SPREADS_SHOWN else "")

    @property
    def denied_total(self) -> int:
        return sum(row["count"] for row in self.denials)

    @property
    def costs(self) -> Mapping[str, float]:
        return self.summary.get("costs") or {}

    @property
    def costs_share(self) -> float | None:
        """Costs in percent of what was made before costs; None where nothing was made."""
        total = self.costs.get("total")
        final, start = self.values.get("final_equity"), self.summary.get("starting_cash")
        if not total or final is None or start is None or final - start + total <= 0:
            return None
        return total / (final - start + total) * 100

    @property
    def reasons(self) -> dict[str, str]:
        return REASONS

    @property
    def notes(self) -> list[str]:
        """What the data layer had to say, and what bars cannot show of the strategy.

        That prices are made up, the page says by itself.
        """
        said = [note for note in self.backtest.notes if not (self.backtest.synthetic and note.startswith("Synthetic"))]
        return [note for note in (*said, self._unseen) if note]

    @property
    def _unseen(self) -> str:
        try:
            return reading.unseen(catalogue.get(self.backtest.strategy))
        except InputError:
            return ""  # given signals, or a strategy that a release dropped

    # A benchmark that multiplied flattens the strategy's line: it can be turned off, or seen on a log scale.
    equity_modes = (("money", "Money"), ("pct", "%"), ("log", "Log"))
    equity_switches = (("benchmark", "Benchmark", True),)

    @property
    def equity_mode(self) -> str:
        """The scale the equity chart starts with: a log scale where one line ends at more than four times the other."""
        own, benchmark = self.values.get("total_return_pct"), self.values.get("benchmark_return_pct")
        if own is None or benchmark is None or min(own, benchmark) <= -100.0:
            return "money"
        apart = (100.0 + benchmark) / (100.0 + own)
        return "log" if apart > 4.0 or apart < 0.25 else "money"

    # --- the charts, in words -----------------------------------------------------------------------------------------

    @property
    def equity_words(self) -> str:
        start, final = self.summary.get("starting_cash"), self.values.get("final_equity")
        if start is None or final is None:
            return ""
        made = _plain(signed_pct(self.values.get("total_return_pct")))
        text = (
            f"Equity went from {money(start)} to {money(final)}, {made}, "
            f"between {_day(self.summary.get('first_time'))} and {_day(self.summary.get('last_time'))}."
        )
        benchmark = self.values.get("benchmark_return_pct")
        if benchmark is not None:
            text += f" {self.summary.get('benchmark_label', 'The benchmark')} made {_plain(signed_pct(benchmark))}."
        return text

    @property
    def drawdown_words(self) -> str:
        worst = self.values.get("max_drawdown_pct")
        if worst is None:
            return ""
        if worst == 0:
            return "Equity never closed below an earlier high."
        end = self.values.get("max_drawdown_end")
        regained = f"regained on {_day(end)}" if end else "not regained by the end"
        return (
            f"The deepest fall was {pct(worst)}, from {_day(self.values.get('max_drawdown_start'))} to "
            f"{_day(self.values.get('max_drawdown_low'))}, {regained}."
        )

    @property
    def price_words(self) -> str:
        count = self.values.get("trade_count")
        if count is None:
            return ""
        text = f"{num(count, 0)} round trips; {pct(self.values.get('win_rate_pct'))} of them won."
        return (
            text
            + " Arrows up are purchases, arrows down are sales; point at one to see why. The table below lists each."
        )

    @property
    def histogram_words(self) -> str:
        best, worst = self.values.get("best_day_pct"), self.values.get("worst_day_pct")
        if best is None or worst is None:
            return ""
        histogram = self.summary.get("return_histogram") or {}
        counts, cut = histogram.get("counts") or [0], histogram_top(histogram)
        return (
            f"Daily returns from {_plain(signed_pct(worst))} to {_plain(signed_pct(best))}; on one day in twenty the "
            f"loss was {pct(self.values.get('var_95_pct'))} or more. The outermost bars hold everything beyond."
            + (
                f" The middle bar is cut: it stands for {num(max(counts), 0)} days, most without a position."
                if cut
                else ""
            )
        )


def histogram_top(histogram: Mapping[str, Sequence[float]]) -> float | None:
    """Where the axis of the daily returns ends, when one bar would flatten all others; None to show every bar whole.

    A strategy that is out of the market on most days has as many days of no return at all.
    """
    counts = sorted(histogram.get("counts") or [])
    if len(counts) < 2 or counts[-1] <= 4 * counts[-2]:
        return None
    return counts[-2] * 1.5


class Comparison:
    """Runs side by side: one column a run, one row a metric, the best of each row marked."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.runs = [row["backtest"] for row in rows]
        self._values = [(row["summary"] or {}).get("metrics") or {} for row in rows]
        self.series = [
            {
                "label": _distinct(self.runs, i),
                "time": row["equity"]["time"],
                "value": row["equity"]["value"],
                "token": f"chart-{i + 1}",
            }
            for i, row in enumerate(rows)
            if row["equity"]
        ]

    @cached_property
    def groups(self) -> list[tuple[str, list[dict[str, Any]]]]:
        known = {entry["name"]: entry for entry in metrics.describe()}
        shown = []
        for title, names in GROUPS:
            rows = [self._row(known[name]) for name in names if any(name in values for values in self._values)]
            if rows:
                shown.append((title, rows))
        return shown

    def _row(self, entry: Mapping[str, str]) -> dict[str, Any]:
        values = [each.get(entry["name"]) for each in self._values]
        numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
        best = None
        if len(numbers) > 1 and entry["better"] != "neither":
            best = max(numbers) if entry["better"] == "higher" else min(numbers)
        cells = [
            {"text": figure_text(entry["name"], entry["unit"], value), "best": best is not None and value == best}
            for value in values
        ]
        return {"label": entry["label"], "convention": entry["convention"], "cells": cells}

    @property
    def words(self) -> str:
        ends = [f"{line['label']} ended at {num(line['value'][-1], 1)}" for line in self.series if line["value"]]
        return "Each run starts at 100. " + "; ".join(ends) + "." if ends else ""


def trade_table(backtest: Backtest, query: QueryDict) -> dict[str, Any]:
    """One page of round trips as the address asks for it; what it asks wrongly is left out."""
    sort = query.get("sort", "")
    sort = sort if sort.removeprefix("-") in selectors.TRADE_SORTS else "entry_time"
    filters = {name: query[name] for name in selectors.TRADE_FILTERS if query.get(name)}
    text = query.get("page", "1")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
    try:
        page = selectors.round_trips(backtest, sort, filters, number, TRADES_PER_PAGE)
    except InputError:
        filters = {}
        page = selectors.round_trips(backtest, sort, filters, number, TRADES_PER_PAGE)
    told = {
        (entry["symbol"], entry["entry_time"]): {**entry, "signal_at": _moment(entry["signal_time"])}
        for entry in selectors.explanations(backtest)
    }
    rows = [
        {**row, "entry_at": _moment(row["entry_time"]), "exit_at": _moment(row["exit_time"]),
         "why": REASONS.get(row["exit_reason"], row["exit_reason"]),
         "entered": told.get((row["symbol"], row["entry_time"]))}
        for row in page.rows
    ]  # fmt: skip
    kept = query.copy()
    for name in ("page", "range", "price_range"):
        kept.pop(name, None)
    return {
        "page": page,
        "pager": Paginator(range(page.total), TRADES_PER_PAGE).page(page.page),
        "rows": rows,
        "sort": sort,
        "filters": filters,
        "reasons": list(REASONS.items()),
        "daily": backtest.timeframe == "1d",
        "explained": bool(told),
        "csv_query": kept.urlencode() if filters or sort != "entry_time" else "",
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _plain(text: object) -> str:
    """A coloured figure without its markup, for sentences."""
    return str(text).split(">", 1)[-1].removesuffix("</span>")


def _day(text: object) -> str:
    return str(text)[:10] if text else "the start"


def _cell(value: float | None) -> str:
    return (
        ""
        if value is None
        else f"{MINUS if round(value, 1) < 0 else '+' if round(value, 1) > 0 else ''}{abs(value):.1f}"
    )


def _shade(value: float | None, scale: float = 1.0) -> str:
    """Three steps each way, at 0, 2 and 6 percent (times `scale` for years)."""
    if value is None or round(value, 1) == 0:
        return ""
    step = 1 + sum(abs(value) >= limit * scale for limit in (2.0, 6.0))
    return f"{'up' if value > 0 else 'down'}{step}"


def _distinct(runs: Sequence[Backtest], index: int) -> str:
    """The run's name; numbered when another one has the same."""
    name = str(runs[index])
    return name if sum(str(run) == name for run in runs) == 1 else f"{index + 1}. {name}"
