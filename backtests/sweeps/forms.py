"""The new-sweep form: a backtest's form, and beside it what is varied, how, and towards what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.http import QueryDict

from accounts.models import User
from backtests.forms import BacktestForm
from backtests.sweeps import services, space
from backtests.sweeps.request import KEPT
from backtests.sweeps.services import Checked
from engine.errors import Fault, InputError
from strategies.conditions import Conditions
from strategies.params import BoolParam, IntParam, Param
from strategies.run_form import as_text, read_number

METHOD_CHOICES = (
    ("grid", "Grid", "Every combination"),
    ("random", "Random", "So many combinations, drawn without repetition"),
    ("bayesian", "Bayesian", "So many combinations, each few chosen by what the earlier ones gave"),
)
_OWN = ("method", "trials", "objective", "min_trades", "max_drawdown_pct", "sweep_seed", "sweep_name")
# Settings that are offered on the page; the API takes every number, choice and switch.
SETTINGS_OFFERED = (
    "stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "max_holding_time", "position_size_value",
    "max_position_size_pct", "allow_short", "rebalance_frequency",
)  # fmt: skip
# Where a range begins and ends at first, for settings that are off by default.
_RANGES = {
    "stop_loss_pct": (2, 10, 2), "take_profit_pct": (5, 25, 5), "trailing_stop_pct": (2, 10, 2),
    "max_holding_time": (86_400, 864_000, 86_400), "position_size_value": (5, 25, 5),
    "max_position_size_pct": (5, 25, 5),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AxisRow:
    """One line of "what to vary". choices: (value, label, whether it is ticked); empty for a number, which has a range.

    first, last, step: what stands in the fields; low, high: what sliders reach.
    """

    key: str
    label: str
    unit: str
    help: str
    on: bool
    choices: list[tuple[str, str, bool]]
    first: str
    last: str
    step: str
    low: str
    high: str
    error: str


class SweepForm(BacktestForm):
    """What stands in the form of a sweep."""

    PLAIN = ("timeframe", "start_date", "end_date", "initial_capital", "preset", "source", "benchmark")
    NUMBERS = ("initial_capital",)
    FLAGS = ()

    def __init__(self, user: User, values: Mapping[str, Any]) -> None:
        super().__init__(user, {"method": "grid", "objective": "sharpe", "trials": "200", "sweep_seed": "0", **values})
        self.sent: QueryDict | None = None
        self.checked: Checked | None = None
        self.axis_errors: dict[str, str] = {}
        self._axes: list[str] = []

    @classmethod
    def from_request(cls, user: User, sent: QueryDict) -> Self:
        form = super().from_request(user, sent)
        form.values |= {name: sent[name].strip() for name in _OWN if name in sent}
        if sent.get("axes_of") == form.values["strategy"]:
            form.sent = sent
        return form

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The body of POST /api/sweeps."""
        run, faults = super().payload()
        axes = [axis for of in space.OF for axis in self._read_axes(of, faults)]
        values = self.values
        body: dict[str, Any] = {
            "backtest": run,
            "axes": axes or None,
            "method": values["method"],
            "objective": values["objective"],
            "name": values.get("sweep_name") or None,
            "seed": read_number("sweep_seed", values["sweep_seed"], faults) if values["sweep_seed"] else None,
            "constraints": {
                name: read_number(name, values[name], faults)
                for name in ("min_trades", "max_drawdown_pct")
                if values.get(name)
            },
        }
        if values["method"] != "grid" and values.get("trials"):
            body["trials"] = read_number("trials", values["trials"], faults)
        return body, faults

    def examine(self, body: Mapping[str, Any]) -> list[Fault]:
        """As `backtests.sweeps.services.check`; what it counted is kept in `checked`."""
        self.checked = services.check(self.user, body)
        return self.checked.cautions

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to its field: those of the run as in a backtest's form, those of axes to their line."""
        left = []
        for fault in faults:
            words = " ".join(part.rstrip(".") + "." for part in (fault.message, fault.hint) if part)
            head, _, rest = fault.path.partition(".")
            if head == "backtest":
                left.append(Fault(rest, fault.code, fault.message, fault.hint))
            elif head.startswith("axes["):
                place = int(head[5:-1])
                self.axis_errors.setdefault(self._axes[place] if place < len(self._axes) else "", words)
            elif head == "axes":
                said = "Tick at least one parameter or setting to vary." if fault.code == "required" else words
                self.axis_errors.setdefault("", said)
            else:
                name = {"seed": "sweep_seed", "name": "sweep_name"}.get(head, rest or head)
                left.append(Fault(name, fault.code, fault.message, fault.hint))
        super().refuse(left)

    @property
    def has_errors(self) -> bool:
        return super().has_errors or bool(self.axis_errors)

    @property
    def field_names(self) -> list[str]:
        return [*super().field_names, *_OWN]

    # --- what is varied -------------------------------------------------------------------------------------------

    def _read_axes(self, of: str, faults: list[Fault]) -> list[dict[str, Any]]:
        if self.sent is None:
            return []
        axes = []
        for name, param in self._offered(of).items():
            key = f"{of}.{name}"
            if self.sent.get(f"vary.{key}") != "on":
                continue
            axis: dict[str, Any] = {"name": name, "of": of}
            path = f"axes[{len(self._axes)}]"
            self._axes.append(key)
            if _choices(param):
                picked = self.sent.getlist(f"vary.{key}.values")
                try:
                    axis["values"] = [param.json(param.parse(text)) for text in picked] or None
                except InputError as error:
                    faults += [Fault(path, f.code, f.message, f.hint) for f in error.faults]
                if not picked:
                    faults.append(Fault(path, "required", "Tick the values that it takes", ""))
            else:
                for end in ("from", "to", "step"):
                    text = self.sent.get(f"vary.{key}.{end}", "").strip()
                    axis[end] = read_number(path, text, faults) if text else None
            axes.append(axis)
        return axes

    def _offered(self, of: str) -> dict[str, Param[Any]]:
        """Of a custom strategy the settings only: its conditions are what it is."""
        if self.custom is not None:
            known = space.declared(Conditions.slug, of) if of == "setting" else {}
        elif self.chosen is not None:
            known = space.declared(self.chosen.slug, of)
        else:
            return {}
        return known if of == "parameter" else {name: known[name] for name in SETTINGS_OFFERED if name in known}

    @property
    def parameter_rows(self) -> list[AxisRow]:
        return self._rows("parameter")

    @property
    def setting_rows(self) -> list[AxisRow]:
        return self._rows("setting")

    @property
    def rows(self) -> list[AxisRow]:
        return self.parameter_rows + self.setting_rows

    def _rows(self, of: str) -> list[AxisRow]:
        """The lines of what may be varied; at first the first two numbers of the strategy are ticked."""
        rows: list[AxisRow] = []
        for name, param in self._offered(of).items():
            key = f"{of}.{name}"
            choices = _choices(param)
            first, last, step = ("", "", "") if choices else _range(name, param)
            on = of == "parameter" and not choices and sum(row.on for row in rows) < 2
            if self.sent is not None:
                on = self.sent.get(f"vary.{key}") == "on"
                first, last, step = (
                    self.sent.get(f"vary.{key}.{end}", old)
                    for end, old in zip(("from", "to", "step"), (first, last, step), strict=True)
                )
            ticked = None if self.sent is None else self.sent.getlist(f"vary.{key}.values")
            low, high = ("", "") if choices else _reach(param, first, last)
            rows.append(
                AxisRow(
                    key=key,
                    label=param.label,
                    unit=param.unit,
                    help=param.help,
                    on=on,
                    choices=[(value, label, ticked is None or value in ticked) for value, label in choices],
                    first=first,
                    last=last,
                    step=step,
                    low=low,
                    high=high,
                    error=self.axis_errors.get(key, ""),
                )
            )
        return rows

    @property
    def method_choices(self) -> tuple[tuple[str, str, str], ...]:
        return METHOD_CHOICES

    @property
    def objective_choices(self) -> list[tuple[str, str]]:
        """The metrics that the page offers; the API takes all."""
        from engine import metrics

        described = {entry["name"]: entry["label"] for entry in metrics.describe()}
        return [(name, described[name]) for name in KEPT if name not in ("trade_count", "exposure_pct")]

    def check(self, *, live: bool = False) -> dict[str, Any]:
        self._axes = []
        return super().check(live=live)


def _choices(param: Param[Any]) -> list[tuple[str, str]]:
    """(text, label) of a parameter that has a few values; empty for a number."""
    if isinstance(param, BoolParam):
        return [("true", "Yes"), ("false", "No")]
    declared = param.declaration()["choices"]
    return [(choice["value"], choice["label"]) for choice in declared or ()]


def _range(name: str, param: Param[Any]) -> tuple[str, str, str]:
    """What stands in the fields at first: from half the default to one and a half of it, in about five steps."""
    if name in _RANGES:
        return tuple(as_text(number) for number in _RANGES[name])  # type: ignore[return-value]
    low, high = param.min, param.max  # type: ignore[attr-defined]
    middle = param.default if isinstance(param.default, int | float) else (low + high) / 2
    first, last = max(low, middle / 2), min(high, middle * 1.5)
    if last <= first:
        first, last = low, min(high, low + 4 * (getattr(param, "step", None) or 1))
    step = (last - first) / 4
    if isinstance(param, IntParam):
        step = max(1, round(step))
        first = max(low, round(first))
        return as_text(int(first)), as_text(int(min(high, first + 4 * step))), as_text(int(step))
    return as_text(float(f"{first:.3g}")), as_text(float(f"{last:.3g}")), as_text(float(f"{step:.2g}"))


def _reach(param: Param[Any], first: str, last: str) -> tuple[str, str]:
    """What the sliders reach: the declared bounds, but not so far that a pixel is a hundred steps."""
    low, high = param.min, param.max  # type: ignore[attr-defined]
    try:
        wanted = max(abs(float(first)), abs(float(last)))
    except ValueError:
        wanted = 0.0
    return as_text(low), as_text(min(high, max(wanted * 4, low + 1) if wanted else high))
