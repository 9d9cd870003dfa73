"""What the page of a portfolio study shows, in words and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

from backtests.models import AllocationStudy
from backtests.portfolios import selectors
from backtests.portfolios.request import REBALANCE, STRATEGY
from backtests.presenters.figures import figure_text
from backtests.words import DENIALS
from engine import metrics
from strategies import allocation, catalogue
from tradingsite.lib.templatetags.figures import num, pct, signed_pct

PHASES: Final = {
    "waiting": "Waiting for a free worker",
    "loading": "Loading prices",
    "weights": "Computing weights",
    "frontier": "Drawing the efficient frontier",
    "history": "Computing weights as bars come in",
    "backtest": "Running both backtests",
}
_LINES: Final = 6  # symbols whose weights are drawn over time


def method_label(slug: str) -> str:
    """What a method is called; its slug where this release has none of that name."""
    found = allocation.registered().get(slug)
    return found.label if found else slug


def _limits(row: Mapping[str, Any]) -> str:
    low, high = row["min_pct"], row["max_pct"]
    words = [f"at least {low:g} %"] if low is not None else []
    return " and ".join([*words, f"at most {high:g} %"] if high is not None else words) or "no limit"


def _group(row: Mapping[str, Any]) -> str:
    return f"{', '.join(row['symbols'])}: {_limits(row)}"


def _view(row: Mapping[str, Any]) -> str:
    over = f" more than {row['over']}" if row["over"] else ""
    return f"earns {row['return_pct']:g} % a year{over}, sure {row['confidence']:g}"


_LISTS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {"bounds": _limits, "groups": _group, "views": _view}


def _rows(parameters: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(what it is called, row) of a list of limits or views."""
    kind = {"groups": "Group", "views": "View"}.get(name, "Weight of")
    return [(f"{kind} {row['name' if name == 'groups' else 'symbol']}", row) for row in parameters[name]]


class StudyPage:
    """One study as its page shows it."""

    def __init__(self, study: AllocationStudy) -> None:
        self.study = study
        self.document: dict[str, Any] = study.document or {}

    @property
    def method(self) -> str:
        return method_label(self.study.method)

    @property
    def rebalance(self) -> str:
        return REBALANCE[self.study.rebalance][0]

    @property
    def todo(self) -> str:
        """What to do about a failure: the hint where there is one fault, else each has its own on the page."""
        hints = [fault["hint"] for fault in self.study.failure_faults if fault["hint"]]
        return hints[0] if len(self.study.failure_faults) == len(hints) == 1 else "Change it, then try again."

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """(label, words) of the method and of each parameter that is not as it is by default."""
        params, sent = catalogue.get(STRATEGY).params, self.study.config["parameters"]
        usual = {name: param.json(param.default) for name, param in params.items() if name not in _LISTS}
        changed = {
            name: value for name, value in sent.items() if name in usual and (name == "method" or value != usual[name])
        }
        shown = [(params[name].label, str(params[name].words(value))) for name, value in changed.items()]
        return shown + [(label, words(row)) for name, words in _LISTS.items() for label, row in _rows(sent, name)]

    @cached_property
    def tiles(self) -> list[dict[str, Any]]:
        """The figures on top, with those of equal weights beneath."""
        chosen, equal = self.document["chosen"], self.document["equal"]
        capital = self.study.config["initial_capital"]
        tiles = [
            {"label": label, "value": write(chosen[name]), "note": f"Equal weights: {plain(equal[name])}", "help": how}
            for name, label, write, plain, how in (
                ("return_pct", "Expected return, a year", signed_pct, _signed, "Mean of the returns, after costs"),
                ("volatility_pct", "Volatility, a year", pct, pct, "Deviation of returns by the chosen estimator"),
                ("sharpe", "Sharpe ratio", num, num, "(expected return − risk-free rate) ÷ volatility"),
                ("var_pct", "Value at risk, one bar", pct, pct, "Loss that 95 of 100 bars stay below, if normal"),
            )
        ]
        lost = {
            "label": "At risk in one bar",
            "value": num(capital * chosen["var_pct"] / 100.0, 0),
            "note": f"Of {num(capital, 0)}",
            "help": "Value at risk of the starting capital",
        }
        return [*tiles, lost]

    @cached_property
    def weights(self) -> list[dict[str, Any]]:
        """The symbols by weight, each with the lengths of its bars in percent of the longest."""
        rows = sorted(self.document["weights"], key=lambda row: (-row["weight_pct"], row["symbol"]))
        top = max([*(row["weight_pct"] for row in rows), *(row["risk_pct"] for row in rows), 1e-9])
        return [
            row | {name: f"{max(row[f'{name}_pct'], 0.0) / top * 100.0:.2f}" for name in ("weight", "risk")}
            for row in rows
        ]

    @cached_property
    def compared(self) -> list[dict[str, Any]]:
        """The metrics of both backtests: {label, convention, chosen, equal, ahead}."""
        known = {entry["name"]: entry for entry in metrics.describe()}
        rows = []
        for row in self.document["backtest"]["metrics"]:
            entry = known[row["name"]]
            better = {"higher": 1, "lower": -1}.get(entry["better"], 0)
            both = row["chosen"] is not None and row["equal"] is not None
            apart = (row["chosen"] - row["equal"]) * better if both else 0
            rows.append(
                {
                    "label": entry["label"],
                    "convention": entry["convention"],
                    "chosen": figure_text(row["name"], entry["unit"], row["chosen"]),
                    "equal": figure_text(row["name"], entry["unit"], row["equal"]),
                    "ahead": "chosen" if apart > 0 else "equal" if apart < 0 else "",
                }
            )
        return rows

    @cached_property
    def denials(self) -> list[dict[str, Any]]:
        """What the rules refused or cut in the backtest of the chosen weights."""
        return [
            {"words": DENIALS.get(row["reason"], row["reason"]), "symbol": row["symbol"], "count": row["count"]}
            for row in self.document["backtest"]["denials"]
        ]

    @cached_property
    def cuts(self) -> list[dict[str, Any]]:
        return [cut.as_dict() for cut in selectors.cuts(self.study)]

    @cached_property
    def history(self) -> dict[str, Any]:
        return self.document["history"]

    @cached_property
    def frontier_summary(self) -> str:
        points = self.document["frontier"]
        low, high, chosen = points[0], points[-1], self.document["chosen"]
        return (
            f"From {pct(low['return_pct'])} a year at a volatility of {pct(low['volatility_pct'])} to "
            f"{pct(high['return_pct'])} at {pct(high['volatility_pct'])}. The chosen weights: "
            f"{pct(chosen['return_pct'])} at {pct(chosen['volatility_pct'])}."
        )

    @cached_property
    def equity_summary(self) -> str:
        rows = {row["name"]: row for row in self.document["backtest"]["metrics"]}["total_return_pct"]
        first, last = (self.document["backtest"][f"{end}_time"][:10] for end in ("first", "last"))
        return (
            f"{first} to {last}: {_signed(rows['chosen'])} with the chosen weights, "
            f"{_signed(rows['equal'])} with equal ones, on the same bars, at the same costs. "
            f"Both begin once {num(self.document['lookback'], 0)} returns are in."
        )

    @cached_property
    def history_summary(self) -> str:
        found = self.history
        many = len(self.document["symbols"])
        drawn = f"The {_LINES} heaviest of {many} symbols. " if many > _LINES else ""
        last = ", ".join(f"{row['symbol']} {pct(row['weight_pct'])}" for row in self.weights[:3])
        return f"{drawn}{num(found['computed'], 0)} computations. What a run that begins now would buy most of: {last}."

    @property
    def drawing(self) -> dict[str, Any]:
        """What the charts are drawn from."""
        document = self.document
        names = document["symbols"]
        rows = {row["symbol"]: row for row in document["weights"]}
        return {
            "chart": document["backtest"]["chart"],
            "method": self.method,
            "symbols": names,
            "frontier": document["frontier"],
            "chosen": document["chosen"],
            "equal": document["equal"],
            "singles": [
                {"symbol": name, "return_pct": rows[name]["return_pct"], "volatility_pct": rows[name]["volatility_pct"]}
                for name in names
            ],
            "correlation": document["correlation"],
            "history": self._lines(),
        }

    def _lines(self) -> dict[str, Any]:
        """Weights over time of the symbols that were heaviest in the mean."""
        table = self.history["weights_pct"]
        mean = [sum(column) / len(column) if column else 0.0 for column in table]
        order = sorted(range(len(table)), key=lambda k: (-mean[k], k))
        lines = [{"label": self.document["symbols"][k], "values": table[k]} for k in order[:_LINES]]
        return {"time": self.history["time"], "lines": lines}


def _signed(value: float | None) -> str:
    """A percent figure with its sign, as plain text."""
    return "–" if value is None else f"{'+' if value > 0 else '−' if value < 0 else ''}{abs(value):,.2f} %"
