"""Publications as pages and the API show them: which part of the figures is which, and what each one means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine import metrics
from engine.errors import InputError
from marketdata.models.instrument import Source
from strategies import catalogue, conditions, session_settings
from strategies.gallery import subjects
from strategies.gallery.figures import HELD_OUT, IN_SAMPLE, MIN_TRADES, OUT_OF_SAMPLE, judged_part
from strategies.gallery.models import Publication
from strategies.params import Param

SHARE_PCT = round(subjects.IN_SAMPLE_SHARE * 100)
# part → (title, warning beside the title, what it is)
PARTS = {
    IN_SAMPLE: (
        "In sample",
        "proves nothing",
        f"The first {SHARE_PCT} % of the bars that were there when the strategy last changed. Its author could tune it "
        "on them.",
    ),
    HELD_OUT: (
        "Held out",
        "the author may have seen it",
        f"The last {100 - SHARE_PCT} % of those bars. Nobody stops an author from looking at them, so they say less "
        "than they seem to.",
    ),
    OUT_OF_SAMPLE: (
        "Out of sample",
        "after it was published",
        "Bars that came after the strategy last changed. Its author cannot have known them.",
    ),
}
# metric → (how it is written, its label where the engine's is too long)
FIGURES = {
    "total_return_pct": ("signed_pct", ""),
    "benchmark_return_pct": ("signed_pct", "Bought and held"),
    "against_holding": ("signed_points", "Against holding"),
    "cagr_pct": ("signed_pct", ""),
    "sharpe": ("ratio", ""),
    "max_drawdown_pct": ("pct", ""),
    "trade_count": ("count", ""),
    "win_rate_pct": ("pct", ""),
    "profit_factor": ("ratio", ""),
    "exposure_pct": ("pct", ""),
    "average_exposure_pct": ("pct", ""),
    "total_costs": ("money", "Costs paid"),
}
CONVENTIONS = {
    "benchmark_return_pct": "The same symbols, equal parts, bought at the first close and held; without costs",
    "against_holding": "Total return less that of holding, in percentage points",
}


@dataclass(frozen=True, slots=True)
class PartShown:
    """One part of the figures: its name in words, and its values by metric."""

    name: str
    title: str
    warning: str
    words: str
    first_day: str
    last_day: str
    bars: int
    values: dict[str, Any]
    too_few: bool

    @property
    def total_return_pct(self) -> float:
        return float(self.values["total_return_pct"])

    @property
    def against_holding(self) -> float | None:
        found: float | None = self.values["against_holding"]
        return found


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One metric across the parts. cells: a value for each part; form: how it is written."""

    label: str
    convention: str
    form: str
    cells: list[Any]


@dataclass(frozen=True)
class Card:
    """A publication in the list, or at the head of its page."""

    row: Publication
    judged: PartShown | None
    in_sample: PartShown | None

    @property
    def kind(self) -> str:
        return kind_label(self.row.kind)

    @property
    def market(self) -> str:
        symbols = ", ".join(self.row.symbols[:4]) + (" …" if len(self.row.symbols) > 4 else "")
        return f"{symbols} · {self.row.timeframe}"

    @property
    def waits(self) -> bool:
        return self.row.state in (Publication.State.QUEUED, Publication.State.RUNNING)


def card(row: Publication) -> Card:
    """The card of a publication."""
    judged = judged_part(row.figures)
    shown = parts(row)
    return Card(
        row,
        next((part for part in shown if judged is not None and part.name == judged["part"]), None),
        next((part for part in shown if part.name == IN_SAMPLE), None),
    )


def parts(row: Publication) -> list[PartShown]:
    """The parts of its figures in time."""
    return [_part(told) for told in row.figures.get("parts", ())]


def table(shown: Sequence[PartShown]) -> list[FigureRow]:
    """Every figure of every part, with its convention."""
    described = _described()
    rows = []
    for name, (form, label) in FIGURES.items():
        about = described.get(name, {})
        convention = CONVENTIONS.get(name) or about.get("convention", "")
        rows.append(
            FigureRow(label or about.get("label", name), convention, form, [part.values.get(name) for part in shown])
        )
    return rows


def chart_words(shown: Sequence[PartShown]) -> str:
    """What the chart shows, for who cannot see it."""
    return " ".join(
        f"{part.title}, {part.first_day} to {part.last_day}: {part.total_return_pct:+.2f} %, bought and held "
        f"{part.values['benchmark_return_pct'] or 0.0:+.2f} %."
        for part in shown
    )


def kinds() -> list[tuple[str, str]]:
    """(kind, words) of all that can be published."""
    found = {declared.kind: declared.kind_label() for declared in catalogue.all() if declared.listed}
    return [*found.items(), (subjects.CONDITIONS, kind_label(subjects.CONDITIONS))]


def kind_label(kind: str) -> str:
    """A kind in words."""
    return "own conditions" if kind == subjects.CONDITIONS else kind.replace("_", " ")


def source_label(source: str) -> str:
    """A source of prices in words."""
    return str(dict(Source.choices).get(source, source))


def costs() -> str:
    """What every publication pays, in words."""
    commission, slippage = subjects.COSTS["commission_rate"], subjects.COSTS["slippage_value"]
    return f"{float(str(commission)) * 100:g} % commission and {float(str(slippage)) * 100:g} % slippage on every fill"


def values_of(row: Publication) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(parameters, settings that differ from the defaults) in words; empty where the strategy is no longer shipped."""
    subject = row.subject
    try:
        declared = subjects.declared(subject)
    except InputError:
        return [], []
    own = subjects.own_settings(subject)
    if subjects.has_conditions(subject):
        return [], in_words(session_settings.SETTINGS, own)
    return in_words(declared.params, subject.parameters), in_words(session_settings.SETTINGS, own)


def sentences_of(row: Publication) -> list[str]:
    """What its conditions say, a sentence for each tree; none of a strategy of the catalogue."""
    found = conditions.sentences(row.subject.parameters) if subjects.has_conditions(row.subject) else {}
    return [sentence for sentence in found.values() if sentence]


def in_words(params: Mapping[str, Param[Any]], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, value as people read it) of each stored value that is still declared."""
    return [(params[name].label, params[name].words(value)) for name, value in values.items() if name in params]


def _part(told: Mapping[str, Any]) -> PartShown:
    title, warning, words = PARTS[told["part"]]
    held = told["benchmark_return_pct"]
    against = None if held is None else told["total_return_pct"] - held
    return PartShown(
        name=told["part"],
        title=title,
        warning=warning,
        words=words,
        first_day=told["first_bar"][:10],
        last_day=told["last_bar"][:10],
        bars=told["bars"],
        values={**told, "against_holding": against},
        too_few=told["trade_count"] < MIN_TRADES,
    )


@cache
def _described() -> dict[str, dict[str, Any]]:
    return {entry["name"]: dict(entry) for entry in metrics.describe()}
