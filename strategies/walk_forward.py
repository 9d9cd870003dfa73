"""A logistic regression that is fitted again and again on the past only, in plain NumPy.

At bar i the model that was fitted last answers; it was fitted on bars whose outcome was known when it was fitted. Fits
are due on the first bar of each span of `refit_every` bar lengths, spans counted from 1970 on, so that runs that begin
elsewhere fit on the same bars. Every sum runs over the same rows in the same order, whatever comes after them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.indicators import functions as f

if TYPE_CHECKING:
    from engine import Bars

Floats = NDArray[np.float64]

FEATURES = {
    "returns_1d": "Return over 1 bar",
    "returns_5d": "Return over 5 bars",
    "volatility_5d": "Volatility over 5 bars",
    "volatility_20d": "Volatility over 20 bars",
    "rsi": "RSI(14)",
    "price_to_sma20": "Close to its 20-bar average",
    "volume_ratio_10d": "Volume to its 10-bar average",
}
# The slowest feature needs 20 returns, the first of which needs a bar before it.
FEATURE_BARS = 21
LEAST_OBSERVATIONS = 25
_STEPS = 6
_CLIP = 5.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """probability: that the close will be higher `horizon` bars on, one a bar; NaN before the first fit.

    fit: which fit answered, one a bar; -1: none. weights: shape (fits, 1 + features), of the scaled features, the
    constant first. mean, scale: shape (fits, features). rows: how many outcomes each fit saw. at: the bar of each fit.
    """

    probability: Floats
    fit: NDArray[np.int64]
    weights: Floats
    mean: Floats
    scale: Floats
    rows: NDArray[np.int64]
    at: NDArray[np.int64]


def features(bars: Bars) -> Floats:
    """Shape (bars, features), in the order of `FEATURES`; NaN where not yet known."""
    close = bars.close
    usual = f.sma(bars.volume, 10)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Where no volume was usual, none is unusual.
        ratio = np.where(usual > 0, bars.volume / usual, np.where(np.isnan(usual), np.nan, 1.0))
    return np.column_stack(
        [
            f.returns(close, 1),
            f.returns(close, 5),
            f.volatility(close, 5),
            f.volatility(close, 20),
            f.rsi(close, 14) / 100,
            close / f.sma(close, 20) - 1,
            ratio,
        ]
    )


def fit_all(bars: Bars, *, horizon: int, window: int, refit_every: int, ridge: float) -> Fitted:
    """Fits and answers along the whole series.

    horizon: bars until an outcome is read. window: newest outcomes that a fit sees at most. ridge: penalty on the
    squared weights, in outcomes.
    """
    n, width = len(bars), len(FEATURES)
    inputs = features(bars)
    known = np.flatnonzero(~np.isnan(inputs).any(axis=1))
    first = int(known[0]) if known.size else n
    target = np.zeros(n)
    if n > horizon:
        target[:-horizon] = bars.close[horizon:] > bars.close[:-horizon]
    begin = first + horizon + LEAST_OBSERVATIONS - 1
    starts = _due(bars, begin, refit_every)
    weights, means, scales = (
        np.zeros((len(starts), 1 + width)),
        np.zeros((len(starts), width)),
        np.ones((len(starts), width)),
    )
    rows = np.zeros(len(starts), np.int64)
    probability, answered_by = np.full(n, np.nan), np.full(n, -1)
    for k, at in enumerate(starts):
        seen = slice(max(first, at - horizon + 1 - window), at - horizon + 1)
        means[k], scales[k], weights[k] = _fit(inputs[seen], target[seen], ridge)
        rows[k] = seen.stop - seen.start
        until = starts[k + 1] if k + 1 < len(starts) else n
        answered_by[at:until] = k
        probability[at:until] = _answer(inputs[at:until], means[k], scales[k], weights[k])
    return Fitted(probability, answered_by, weights, means, scales, rows, np.asarray(starts, np.int64))


def contributions(fitted: Fitted, inputs: Floats, i: int) -> list[tuple[str, float, float]]:
    """(feature, value, what it adds to the log-odds) at a bar that a fit answered, the largest first."""
    k = fitted.fit[i]
    scaled = np.clip((inputs[i] - fitted.mean[k]) / fitted.scale[k], -_CLIP, _CLIP)
    added = scaled * fitted.weights[k, 1:]
    order = np.argsort(-np.abs(added), kind="stable")
    names = list(FEATURES)
    return [(names[j], float(inputs[i, j]), float(added[j])) for j in order]


def _due(bars: Bars, begin: int, refit_every: int) -> list[int]:
    """Bars on which a fit is due: the first with outcomes enough, then the first of each span."""
    from engine.types import TIMEFRAMES

    if begin >= len(bars):
        return []
    span = bars.ts // (TIMEFRAMES[bars.timeframe] * refit_every)
    turned = np.flatnonzero(np.diff(span)) + 1
    return [begin, *turned[turned > begin].tolist()]


def _fit(inputs: Floats, target: Floats, ridge: float) -> tuple[Floats, Floats, Floats]:
    """(mean, scale, weights) by Newton's steps on the penalised likelihood; sums without BLAS, whose order may vary."""
    rows = len(inputs)
    mean = np.add.reduce(inputs, axis=0) / rows
    scale = np.sqrt(np.add.reduce((inputs - mean) ** 2, axis=0) / rows)
    scale[scale == 0] = 1.0
    x = np.empty((rows, inputs.shape[1] + 1))
    x[:, 0] = 1.0
    x[:, 1:] = np.clip((inputs - mean) / scale, -_CLIP, _CLIP)
    products = x[:, :, None] * x[:, None, :]
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 1e-6
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = _logistic(np.add.reduce(x * weights, axis=1))
        slope = np.add.reduce(x * (target - p)[:, None], axis=0) - penalty * weights
        curve = np.add.reduce(products * (p * (1 - p))[:, None, None], axis=0) + np.diag(penalty)
        weights = weights + np.linalg.solve(curve, slope)
    return mean, scale, weights


def _answer(inputs: Floats, mean: Floats, scale: Floats, weights: Floats) -> Floats:
    odds = np.full(len(inputs), weights[0])
    # Feature by feature: each bar's sum has the same order, however many bars there are.
    for j in range(inputs.shape[1]):
        odds += np.clip((inputs[:, j] - mean[j]) / scale[j], -_CLIP, _CLIP) * weights[j + 1]
    return _logistic(odds)


def _logistic(odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-odds))
