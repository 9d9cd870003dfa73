"""Validators: a second opinion on the market itself, which lets an ensemble's entries through or refuses them.

Each reads a few series off the bars and says for every bar whether an entry on the long and on the short side passes.
A value that is not known yet passes nothing. Exits are never asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from strategies.base import BUY, Line
from strategies.ensemble.structured import ObjectsParam
from strategies.indicators import functions as f
from strategies.params import (
    BoolParam,
    ChoiceParam,
    FloatParam,
    IntParam,
    Param,
    PctParam,
    RatioParam,
    clean_all,
    shown,
)

if TYPE_CHECKING:
    from engine import Bars

Floats = NDArray[np.float64]
At = Mapping[str, Any]  # values of the bar or of all bars, by name: the rules are the same


class Validator:
    """One kind of validator with its parameters. A subclass gives `slug`, `label`, series, and what passes.

    enabled: whether it is asked.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    params: ClassVar[dict[str, Param[Any]]] = {}
    line_info: ClassVar[dict[str, Line]] = {}
    do_not_call_in_templates: ClassVar[bool] = True
    enabled = BoolParam(True, label="On", help="Whether it is asked")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Param)}
        cls.params = {"enabled": Validator.enabled, **own}

    def __init__(self, **parameters: object) -> None:
        vars(self).update(clean_all(self.params, parameters))

    @classmethod
    def describe(cls) -> str:
        """The description users read: the docstring's first paragraph, on one line."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        """Faults that only several cleaned values together can have."""
        return ()

    def warmup(self) -> int:
        """Bars needed, the deciding one counted, before anything can pass."""
        raise NotImplementedError

    def series(self, bars: Bars) -> dict[str, Floats]:
        """The values that the verdict is read from; float64, one a bar, NaN where not yet known."""
        raise NotImplementedError

    def passes(self, at: At, side: int) -> Any:
        """Whether an entry passes. at: `series` and the close, arrays or one bar's numbers. side: BUY or SELL."""
        raise NotImplementedError

    def limit(self, side: int) -> str:
        """What an entry needs, in words: "the close above its 200-bar average"."""
        raise NotImplementedError


class Trend(Validator):
    """Longs only above the moving average, shorts only below it, and only in a market that the ADX says is trending."""

    slug, label = "trend", "Trend filter"
    window = IntParam(200, min=2, max=2_000, unit="bars", label="Average", help="Bars in the moving average")
    adx_window = IntParam(14, min=2, max=500, unit="bars", label="ADX window", help="Bars in the ADX")
    min_adx = FloatParam(20.0, min=0, max=100, step=1, label="Least ADX", help="0 leaves the ADX out")
    line_info = {"average": Line("Trend filter: average"), "adx": Line("Trend filter: ADX", "own")}

    def warmup(self) -> int:
        return max(self.window, 2 * self.adx_window if self.min_adx > 0 else 0)

    def series(self, bars: Bars) -> dict[str, Floats]:
        adx, _, _ = f.adx(bars.high, bars.low, bars.close, self.adx_window)
        return {"average": f.sma(bars.close, self.window), "adx": adx}

    def passes(self, at: At, side: int) -> Any:
        placed = at["close"] > at["average"] if side == BUY else at["close"] < at["average"]
        return placed & (at["adx"] >= self.min_adx) if self.min_adx > 0 else placed

    def limit(self, side: int) -> str:
        strong = f" and the ADX at least {self.min_adx:g}" if self.min_adx > 0 else ""
        return f"the close {'above' if side == BUY else 'below'} its {self.window}-bar average{strong}"


class Volatility(Validator):
    """Only while prices move neither too little nor too much: the deviation of one-bar returns, within bounds."""

    slug, label = "volatility", "Volatility filter"
    window = IntParam(20, min=2, max=2_000, unit="bars", help="Bars in the deviation")
    lookback = IntParam(250, min=10, max=2_000, unit="bars", help="Bars that the percentile is taken over")
    min_percentile = FloatParam(0.0, min=0, max=100, step=1, label="Least percentile", help="Of the last bars")
    max_percentile = FloatParam(95.0, min=0, max=100, step=1, label="Greatest percentile", help="Of the last bars")
    min_pct = PctParam(None, min=0, max=100, step=0.1, label="Least volatility", help="Per bar, not annualised")
    max_pct = PctParam(None, min=0, max=100, step=0.1, label="Greatest volatility", help="Per bar, not annualised")
    line_info = {
        "volatility": Line("Volatility filter: % a bar", "own"),
        "percentile": Line("Volatility filter: percentile", "own"),
    }

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        for low, high in (("min_percentile", "max_percentile"), ("min_pct", "max_pct")):
            if None not in (values[low], values[high]) and values[low] > values[high]:
                message = f"The least ({values[low]:g}) is above the greatest ({values[high]:g})."
                yield Fault(low, "conflict", message, f"At most {values[high]:g}.")

    def warmup(self) -> int:
        return self.window + self.lookback

    def series(self, bars: Bars) -> dict[str, Floats]:
        volatility = f.volatility(bars.close, self.window) * 100
        return {"volatility": volatility, "percentile": _percentile(volatility, self.lookback)}

    def passes(self, at: At, side: int) -> Any:
        inside = (at["percentile"] >= self.min_percentile) & (at["percentile"] <= self.max_percentile)
        if self.min_pct is not None:
            inside = inside & (at["volatility"] >= self.min_pct)
        if self.max_pct is not None:
            inside = inside & (at["volatility"] <= self.max_pct)
        return inside

    def limit(self, side: int) -> str:
        words = [f"the volatility between percentiles {self.min_percentile:g} and {self.max_percentile:g}"]
        words += [f"at least {self.min_pct:g} % a bar"] if self.min_pct is not None else []
        words += [f"at most {self.max_pct:g} % a bar"] if self.max_pct is not None else []
        return " and ".join(words)


class Liquidity(Validator):
    """Only while enough is traded: a bar's volume × close against its average, and that average against a floor."""

    slug, label = "liquidity", "Liquidity filter"
    window = IntParam(20, min=2, max=2_000, unit="bars", help="Bars in the average")
    min_ratio = RatioParam(0.5, min=0, max=10, step=0.05, unit="×", label="Least share", help="Of the average turnover")
    min_turnover = FloatParam(
        0.0, min=0, max=1e12, step=1_000, label="Least turnover", help="Average volume × close of a bar, in currency"
    )
    line_info = {
        "turnover": Line("Liquidity filter: turnover of a bar", "own"),
        "usual": Line("Liquidity filter: average turnover", "own"),
    }

    def warmup(self) -> int:
        return self.window

    def series(self, bars: Bars) -> dict[str, Floats]:
        turnover = bars.close * bars.volume
        return {"turnover": turnover, "usual": f.sma(turnover, self.window)}

    def passes(self, at: At, side: int) -> Any:
        usual = at["usual"]
        # Where nothing was traded there is nothing to trade with, whatever the share of nothing may be.
        return (usual > 0) & (usual >= self.min_turnover) & (at["turnover"] >= self.min_ratio * usual)

    def limit(self, side: int) -> str:
        floor = f", which is at least {self.min_turnover:,.0f}" if self.min_turnover > 0 else ""
        return f"a turnover of at least {self.min_ratio:g} × its {self.window}-bar average{floor}"


class Regime(Validator):
    """Only in the kind of market that suits the members: trending or ranging, by Kaufman's efficiency ratio or the ADX.

    Efficiency ratio: distance between the first and the last close of the window, over the sum of the steps between
    (P. J. Kaufman, "Trading Systems and Methods"); 1 is a straight line, 0 goes nowhere.
    """

    slug, label = "regime", "Regime filter"
    wanted = ChoiceParam("trend", choices=["trend", "range"], label="Market", help="The kind that entries need")
    measure = ChoiceParam(
        "efficiency", choices=[("efficiency", "Efficiency ratio"), ("adx", "ADX")], help="What tells the kinds apart"
    )
    window = IntParam(20, min=2, max=500, unit="bars", help="Bars that are measured")
    efficiency = RatioParam(0.3, min=0, max=1, step=0.05, label="Efficiency", help="A trend from here on")
    adx = FloatParam(25.0, min=0, max=100, step=1, label="ADX", help="A trend from here on")
    line_info = {"regime": Line("Regime filter", "own")}

    def warmup(self) -> int:
        return self.window + 1 if self.measure == "efficiency" else 2 * self.window

    def series(self, bars: Bars) -> dict[str, Floats]:
        if self.measure == "adx":
            return {"regime": f.adx(bars.high, bars.low, bars.close, self.window)[0]}
        return {"regime": _efficiency(bars.close, self.window)}

    def passes(self, at: At, side: int) -> Any:
        level = self.efficiency if self.measure == "efficiency" else self.adx
        return at["regime"] >= level if self.wanted == "trend" else at["regime"] < level

    def limit(self, side: int) -> str:
        name = "efficiency ratio" if self.measure == "efficiency" else "ADX"
        level = self.efficiency if self.measure == "efficiency" else self.adx
        how = "at least" if self.wanted == "trend" else "below"
        return f"a market in a {self.wanted}: the {name} of {self.window} bars {how} {level:g}"


KINDS: dict[str, type[Validator]] = {kind.slug: kind for kind in (Trend, Volatility, Liquidity, Regime)}


class ValidatorsParam(ObjectsParam):
    """`[{type, enabled, …its parameters}, …]`: what every entry must pass, each asked on its own."""

    type = "validators"
    least, most = 0, 8

    def rule(self) -> str:
        return f"A list of up to {self.most} objects with a type: {', '.join(KINDS)}."

    def _one(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        kind = KINDS.get(entry["type"]) if isinstance(entry.get("type"), str) else None
        if kind is None:
            message = f"There is no validator {shown(entry.get('type'))}."
            raise InputError(Fault("type", "unknown_choice", message, f"One of: {', '.join(KINDS)}."))
        values = clean_all(kind.params, {name: value for name, value in entry.items() if name != "type"})
        if faults := list(kind.check(values)):
            raise InputError(faults)
        return {"type": kind.slug} | {name: kind.params[name].json(value) for name, value in values.items()}

    def _words(self, value: Any) -> str:
        labels = [KINDS[entry["type"]].label + ("" if entry["enabled"] else " (off)") for entry in value]
        return ", ".join(labels) or "none"


def build(entry: Mapping[str, Any]) -> Validator:
    """From one cleaned entry of `ValidatorsParam`."""
    return KINDS[entry["type"]](**{name: value for name, value in entry.items() if name != "type"})


def _percentile(values: Floats, lookback: int) -> Floats:
    """Share of the last `lookback` values, this one counted, that are at most this one; percent, NaN until full."""
    out = np.full(len(values), np.nan)
    if len(values) < lookback:
        return out
    windows = np.lib.stride_tricks.sliding_window_view(values, lookback)
    # In pieces, so that a long series needs no matrix of all its windows.
    for start in range(0, len(windows), 4_096):
        part = windows[start : start + 4_096]
        below = np.count_nonzero(part <= part[:, -1:], axis=1)
        known = ~np.isnan(part[:, 0])
        out[lookback - 1 + start : lookback - 1 + start + len(part)] = np.where(known, below * 100 / lookback, np.nan)
    return out


def _efficiency(close: Floats, window: int) -> Floats:
    """Kaufman's efficiency ratio; 0 where the price did not move at all, NaN until the window is full."""
    out = np.full(len(close), np.nan)
    if len(close) <= window:
        return out
    steps = np.abs(np.diff(close))
    # Each window is summed by itself: what came before it leaves no trace in the last bits.
    path = np.lib.stride_tricks.sliding_window_view(steps, window).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(close[window:] - close[:-window]) / path
    out[window:] = np.where(path > 0, ratio, 0.0)
    return out
