"""Whether two series move together: the test of Engle and Granger over moving windows. Plain NumPy.

The first series is regressed on the second with a constant; if the residuals have no unit root, the two are
cointegrated. The unit root is tested by Dickey and Fuller's regression of the residuals' changes on their level, with
lagged changes and without a constant; the p-value is MacKinnon's for two series and a constant.

Sources: Engle and Granger, "Co-integration and Error Correction", Econometrica 55 (1987); Said and Dickey, Biometrika
71 (1984); the most lags by Schwert's rule (Greene, "Econometric Analysis"); MacKinnon, "Approximate Asymptotic
Distribution Functions for Unit-Root and Cointegration Tests", JBES 12 (1994), tables 3 and 4. Conventions and figures
are those of `statsmodels.tsa.stattools.coint`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# MacKinnon (1994), two series, constant: beyond these the p-value is 0 or 1; up to _STAR the first polynomial holds.
_LOWEST, _STAR, _HIGHEST = -18.86, -2.62, 0.92
_SMALL = (2.92, 1.5012, 0.039796)
_LARGE = (2.1945, 0.64695, -0.29198, -0.042377)
# A fit this good leaves rounding, not residuals.
_PERFECT = 1.0 - 100.0 * math.sqrt(np.finfo(np.float64).eps)
_AT_ONCE = 256  # windows; their columns stay in the processor's cache


def engle_granger(first: Array, second: Array, window: int, every: int, lags: int | None = None) -> tuple[Array, Array]:
    """(statistic, p-value), one a row: of the test over the last `window` rows, made anew on each `every`-th row.

    first, second: equal length, without gaps. lags: lagged changes in the regression; None: as many as Akaike's
    criterion says, up to Schwert's limit. Between two tests the last one stands. NaN before the first, and where one of
    the two did not move; -inf and 0 where the fit is perfect.
    """
    n = len(first)
    statistic, p = np.full(n, np.nan), np.full(n, np.nan)
    places = np.arange(window - 1, n, every)
    for start in range(0, len(places), _AT_ONCE):
        chosen = places[start : start + _AT_ONCE]
        rows = chosen[:, None] + np.arange(1 - window, 1)
        statistic[chosen] = _statistics(first[rows], second[rows], lags)
        p[chosen] = [p_value(value) for value in statistic[chosen].tolist()]
    if len(places):
        last = window - 1 + (np.arange(n - window + 1) // every) * every
        statistic[window - 1 :], p[window - 1 :] = statistic[last], p[last]
    return statistic, p


def p_value(statistic: float) -> float:
    """MacKinnon's approximate p-value of the statistic; NaN of NaN."""
    if math.isnan(statistic):
        return math.nan
    if statistic > _HIGHEST:
        return 1.0
    if statistic < _LOWEST:
        return 0.0
    value = 0.0
    for coefficient in reversed(_SMALL if statistic <= _STAR else _LARGE):
        value = value * statistic + coefficient
    return 0.5 * math.erfc(-value / math.sqrt(2.0))


def _statistics(first: Array, second: Array, lags: int | None) -> Array:
    """Of windows as rows, shape (tests, window)."""
    y, x = _centred(first), _centred(second)
    variance_y, variance_x = _dot(y, y), _dot(x, x)
    with np.errstate(invalid="ignore", divide="ignore"):
        residuals = y - (_dot(x, y) / variance_x)[:, None] * x
        fit = 1.0 - _dot(residuals, residuals) / variance_y
    statistic = np.where(fit < _PERFECT, np.nan, -np.inf)
    statistic[(variance_y == 0) | (variance_x == 0)] = np.nan
    tested = np.flatnonzero(np.isnan(statistic) & np.isfinite(fit))
    if len(tested):
        statistic[tested] = _dickey_fuller(residuals[tested], lags)
    return statistic


def _dickey_fuller(values: Array, lags: int | None) -> Array:
    """t of the level in the regression of the changes on it and lagged changes; (tests, window) → (tests,)."""
    if lags is not None:
        return _t_of_level(values, lags)
    window = values.shape[1]
    most = min(window // 2 - 1, math.ceil(12.0 * (window / 100.0) ** 0.25))
    chosen = _akaike(values, most)
    statistic = np.empty(len(values))
    for count in np.unique(chosen).tolist():
        statistic[chosen == count] = _t_of_level(values[chosen == count], count)
    return statistic


def _akaike(values: Array, most: int) -> NDArray[np.intp]:
    """The number of lagged changes with the least AIC, all compared on the rows that the longest leaves."""
    changes, level, lagged = _columns(values, most)
    rows = changes.shape[1]
    _, left = _fit(changes, [level, *lagged])
    with np.errstate(divide="ignore"):
        criterion = [rows * np.log(left[k] / rows) + 2.0 * (k + 1) for k in range(most + 1)]
    return np.argmin(criterion, axis=0)


def _t_of_level(values: Array, lags: int) -> Array:
    changes, level, lagged = _columns(values, lags)
    # The level last: what it explains is then what nothing else does, and its t follows from that alone.
    along, left = _fit(changes, [*lagged, level])
    with np.errstate(invalid="ignore", divide="ignore"):
        return along[-1] / np.sqrt(left[-1] / (changes.shape[1] - lags - 1))


def _columns(values: Array, lags: int) -> tuple[Array, Array, list[Array]]:
    """(changes, level before each, [changes 1 … `lags` rows before])."""
    changes = np.diff(values, axis=1)
    rows = changes.shape[1] - lags
    lagged = [changes[:, lags - k : lags - k + rows] for k in range(1, lags + 1)]
    return changes[:, lags:], values[:, lags : lags + rows], lagged


def _fit(target: Array, columns: list[Array]) -> tuple[list[Array], list[Array]]:
    """([projection of the target on each column, cleared of those before it], [sum of squares left after it]).

    Gram and Schmidt's steps in their modified order, for all tests at once: no library's threads or blocks decide the
    order of a sum.
    """
    rest, free = target.copy(), [column.copy() for column in columns]
    along, left = [], []
    for k, column in enumerate(free):
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = column / np.sqrt(_dot(column, column))[:, None]
        for later in free[k + 1 :]:
            later -= _dot(unit, later)[:, None] * unit
        along.append(_dot(unit, rest))
        rest -= along[-1][:, None] * unit
        left.append(_dot(rest, rest))
    return along, left


def _centred(values: Array) -> Array:
    return values - values.mean(axis=1, keepdims=True)


def _dot(a: Array, b: Array) -> Array:
    product: Array = (a * b).sum(axis=1)
    return product
