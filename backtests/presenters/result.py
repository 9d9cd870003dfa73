"""Everything on the result page except the round trips and the series of the charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.html import format_html

from backtests import selectors
from backtests.models import Backtest
from backtests.presenters.figures import GROUPS, figure_text, moment, plain
from backtests.words import DENIALS, REASONS
from engine import metrics
from engine.errors import InputError
from strategies import catalogue, reading
from tradingsite.lib.templatetags.figures import MINUS, money, num, pct, signed_pct

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
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


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric as the page writes it, with its convention beside it."""

    label: str
    value: str
    convention: str


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
                text = plain(figure_text(name, self._known[name]["unit"], other))
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
                "entry_at": moment(trade["entry_time"]),
                "exit_at": moment(trade["exit_time"]) if trade["exit_time"] else None,
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
        made = plain(signed_pct(self.values.get("total_return_pct")))
        text = (
            f"Equity went from {money(start)} to {money(final)}, {made}, "
            f"between {_day(self.summary.get('first_time'))} and {_day(self.summary.get('last_time'))}."
        )
        benchmark = self.values.get("benchmark_return_pct")
        if benchmark is not None:
            text += f" {self.summary.get('benchmark_label', 'The benchmark')} made {plain(signed_pct(benchmark))}."
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
            f"Daily returns from {plain(signed_pct(worst))} to {plain(signed_pct(best))}; on one day in twenty the "
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
