"""A classic strategy and a model that learns, merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strategies import walk_forward
from strategies.base import BUY, HOLD, SELL, Action, Line, Strategy, find, register, utc
from strategies.params import ChoiceParam, FloatParam, IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars

_BASES = {
    "ma_crossover": "Moving-average crossover",
    "mean_reversion": "Mean reversion",
    "momentum": "Momentum",
    "bollinger": "Bollinger bands",
    "breakout": "Breakout",
}
_LEAST_BARS = 50
_SHOWN_FEATURES = 3
Floats = NDArray[np.float64]


@register
class AIEnhanced(Strategy):
    """Merges a classic strategy with a model that learns from the bars so far which way prices went next.

    The model is a logistic regression on seven features (returns, volatility, RSI, distance from the average, volume),
    fitted again and again on the past only. Its lean, from -1 (down) to +1 (up), and the classic strategy's opinion are
    added by weight; a sum beyond the threshold signals, on the bar on which it gets there or on which the classic
    strategy speaks. It needs at least 50 bars. A probability near one half means that the model has found nothing.
    """

    slug, label, kind = "ai_enhanced", "Classic + learning model", "ensemble"
    depends_on = (
        "strategies.walk_forward",
        "strategies.catalogue.ma_crossover",
        "strategies.catalogue.mean_reversion",
        "strategies.catalogue.momentum",
        "strategies.catalogue.bollinger",
        "strategies.catalogue.breakout",
    )
    base = ChoiceParam("ma_crossover", choices=_BASES.items(), label="Classic strategy", help="With its usual settings")
    model_weight = RatioParam(
        0.5, min=0, max=1, step=0.05, help="What the model counts; the classic strategy counts the rest"
    )
    threshold = RatioParam(0.2, min=0.01, max=1, step=0.01, help="How far the sum must lie from 0, of 1 at most")
    horizon = IntParam(5, min=1, max=50, unit="bars", label="Looks ahead", help="Bars over which the model predicts")
    train_window = IntParam(500, min=50, max=5_000, unit="bars", label="Learns from", help="Newest outcomes in a fit")
    refit_every = IntParam(250, min=5, max=5_000, unit="bars", label="Fits every", help="Bar lengths between two fits")
    ridge = FloatParam(
        10.0, min=0.01, max=1_000, step=1, label="Restraint", help="Larger keeps the model nearer to 50 %"
    )

    line_info = {
        "probability": Line("Model: probability of a rise", "own"),
        "score": Line("Sum of model and classic strategy", "own"),
    }

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self._classic = find(self.base)()
        self._fitted: tuple[Bars, walk_forward.Fitted] | None = None

    def warmup(self) -> int:
        model = walk_forward.FEATURE_BARS + self.horizon + walk_forward.LEAST_OBSERVATIONS - 1
        return max(_LEAST_BARS, model, self._classic.warmup())

    def bars_needed(self, timeframe: str, calendar: str) -> int:
        # The fit that answers may be one span old, and saw a whole window before it.
        learned = walk_forward.FEATURE_BARS + self.horizon + self.train_window + self.refit_every
        return max(self.warmup(), learned)

    def fitted(self, bars: Bars) -> walk_forward.Fitted:
        """The model along these bars; the last answer is kept, because signals, lines and evidence all ask."""
        if self._fitted is None or self._fitted[0] is not bars:
            model = walk_forward.fit_all(
                bars,
                horizon=self.horizon,
                window=self.train_window,
                refit_every=self.refit_every,
                ridge=self.ridge,
            )
            self._fitted = (bars, model)
        return self._fitted[1]

    def lines(self, bars: Bars) -> dict[str, Floats]:
        probability = self.fitted(bars).probability
        return {"probability": probability, "score": self._score(bars, self._classic.signals(bars), probability)}

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        classic = self._classic.signals(bars)
        score = self._score(bars, classic, self.fitted(bars).probability)
        reached = np.sign(score) * (np.abs(score) >= self.threshold)
        reached[: self.warmup() - 1] = 0
        before = np.concatenate(([0.0], reached[:-1])) if len(bars) else reached
        news = (reached != before) | (classic == reached)
        return np.where(news & ~np.isnan(score), np.nan_to_num(reached), HOLD).astype(np.int8)

    def confidence(self, bars: Bars) -> Floats:
        score = self._score(bars, self._classic.signals(bars), self.fitted(bars).probability)
        return np.minimum(np.abs(np.nan_to_num(score)), 1.0)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        if np.isnan(at["probability"]):
            return "The model has not learned from enough bars yet."
        model = f"The model gives a rise a probability of {at['probability']:.0%}"
        total = f"with the {_BASES[self.base].lower()} that makes {at['score']:+.2f}"
        if action == "HOLD":
            return f"{model}; {total}; it acts beyond ±{self.threshold:g}, once."
        return f"{model}; {total}, beyond ±{self.threshold:g}."

    def evidence(self, bars: Bars, places: list[int]) -> list[Any]:
        fitted, inputs = self.fitted(bars), walk_forward.features(bars)
        classic, sure = self._classic.signals(bars), self._classic.confidence(bars)
        score = self._score(bars, classic, fitted.probability)
        told: list[Any] = []
        for i in places:
            if fitted.fit[i] < 0:
                told.append(None)
                continue
            fit = int(fitted.fit[i])
            largest = walk_forward.contributions(fitted, inputs, i)[:_SHOWN_FEATURES]
            code = int(classic[i])
            told.append(
                {
                    "kind": self.slug,
                    "probability": float(fitted.probability[i]),
                    "model_weight": self.model_weight,
                    "score": float(score[i]),
                    "threshold": self.threshold,
                    "horizon": self.horizon,
                    "classic": {
                        "strategy": self.base,
                        "label": _BASES[self.base],
                        "says": {BUY: "BUY", SELL: "SELL"}.get(code, ""),
                        "confidence": float(sure[i]) if code else 0.0,
                    },
                    "features": [
                        {"name": name, "label": walk_forward.FEATURES[name], "value": value, "adds": adds}
                        for name, value, adds in largest
                    ],
                    "fitted": {
                        "outcomes": int(fitted.rows[fit]),
                        "at": utc(int(bars.ts_close[fitted.at[fit]])).isoformat().replace("+00:00", "Z"),
                    },
                }
            )
        return told

    def _score(self, bars: Bars, classic: NDArray[np.int8], probability: Floats) -> Floats:
        """(1 - weight) × the classic opinion × its confidence + weight × the model's lean; NaN before the first fit."""
        opinion = np.where(classic != 0, classic * self._classic.confidence(bars), 0.0)
        return (1 - self.model_weight) * opinion + self.model_weight * (2 * probability - 1)
