"""Made-up minutes and ticks: never traded, labelled synthetic everywhere, the same for ever from the same seed.

For trying minute strategies without a paid feed, for load tests, and for demonstrations. Nothing about profit can be
learned from them.

How a series is made. Days: pairs of (overnight move, open-to-close move) are drawn from the real daily history of the
stock the instrument is calibrated on (split-adjusted), their mean is replaced by 6% a year, and so is the day's
volume. Minutes: a Brownian bridge from the day's open to its close whose variance and volume are U-shaped over the
session (as on real exchanges), with the real stock's ratio of daily range to move; highs and lows lie outside by part
of a minute's move; prices are rounded to cents. Ticks: trades that add up exactly to the minute's bar, with a quote
of one to three cents around them.

Random numbers come from numpy's RandomState over a PCG64 stream, because its methods are frozen (NEP 19): a newer numpy
gives the same prices. Whole years are made at once, so a part of a series is always a part of the same series.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from marketdata.columns import DAY, SECOND, BarColumns
from marketdata.gaps import Sessions
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.sample import SampleProvider
from marketdata.quality import Quote
from marketdata.zones import ALWAYS_OPEN

MINUTE = 60 * SECOND
FIRST, LAST = date(2015, 1, 1), date(2025, 12, 31)
DEFAULT_SEED = 20150102
TICK = np.dtype([("ts", "i8"), ("price", "f8"), ("size", "f8"), ("bid", "f8"), ("ask", "f8")])
_DRIFT_PER_DAY = 0.06 / 252
_NOTE = "SYNTHETIC: made up from a seed, calibrated on real daily prices of {base}. It never traded."


@dataclass(frozen=True, slots=True)
class _Recipe:
    base: str
    start_price: float
    calendar: str
    name: str


_RECIPES = {
    "SYN-AAPL": _Recipe("AAPL", 110.0, "XNYS", "Synthetic minutes in the manner of Apple"),
    "SYN-IBM": _Recipe("IBM", 160.0, "XNYS", "Synthetic minutes in the manner of IBM"),
    "SYN-MSFT": _Recipe("MSFT", 46.0, "XNYS", "Synthetic minutes in the manner of Microsoft"),
    "SYN-GOOG": _Recipe("GOOG", 520.0, "XNYS", "Synthetic minutes in the manner of Google"),
    "SYN-COIN": _Recipe("AAPL", 300.0, ALWAYS_OPEN, "Synthetic round-the-clock coin"),
}


@dataclass(frozen=True, slots=True)
class _Days:
    """The daily skeleton of one series: day numbers, open and close (ns), open and close prices, volumes."""

    sessions: Sessions
    open_px: NDArray[np.float64]
    close_px: NDArray[np.float64]
    volume: NDArray[np.float64]
    sigma: float


class SyntheticProvider(Provider):
    """`sessions(calendar, first, last)` gives the exchange sessions the days are laid on; `seed` picks the world."""

    source = "synthetic"
    capabilities = Capabilities(
        timeframes=("1s", "1m"), unstored=("1s",), first=FIRST, last=LAST, quotes=True, synthetic=True
    )

    def __init__(self, sessions: Callable[[str, date, date], Sessions], seed: int = DEFAULT_SEED) -> None:
        self._sessions = sessions
        self.seed = seed
        self._days = lru_cache(maxsize=16)(self._make_days)

    def instruments(self) -> Sequence[Listing]:
        return [
            Listing(
                symbol,
                recipe.name,
                venue="synthetic",
                calendar=recipe.calendar,
                fractionable=recipe.calendar == ALWAYS_OPEN,
                lot_size="0.0001" if recipe.calendar == ALWAYS_OPEN else "1",
                notes=_NOTE.format(base=recipe.base),
            )
            for symbol, recipe in _RECIPES.items()
        ]

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """1m for any range; 1s for at most 31 days at a time (a year of seconds is six million bars)."""
        self.check_timeframe(timeframe)
        days = self._days(symbol)
        if timeframe == "1s":
            return self._seconds(symbol, start_ns, end_ns)
        touched = (days.sessions.close_ns > start_ns) & (days.sessions.open_ns < end_ns)
        years = np.unique(_year(days.sessions.open_ns[touched]))
        return BarColumns.concat([self._minutes(symbol, int(y)) for y in years]).between(start_ns, end_ns)

    def ticks(self, symbol: str, day: date) -> NDArray[np.void]:
        """Trades of one trading day, dtype TICK, by time; empty when the exchange is closed that day.

        Made into one-minute bars they are exactly `history(symbol, "1m", …)`. bid < ask around each price.
        """
        days = self._days(symbol)
        number = day.toordinal() - date(1970, 1, 1).toordinal()
        at = np.flatnonzero(days.sessions.day == number)
        if not len(at):
            return np.empty(0, TICK)
        open_ns, close_ns = int(days.sessions.open_ns[at[0]]), int(days.sessions.close_ns[at[0]])
        bars = self.history(symbol, "1m", open_ns, close_ns)
        return _ticks(bars, self._random(symbol, 2, number))

    def quote(self, symbol: str) -> Quote | None:
        """The last tick of the series (in the past: a live check will call it stale, and rightly so)."""
        last = self._days(symbol).sessions.day[-1]
        tick = self.ticks(symbol, date.fromordinal(date(1970, 1, 1).toordinal() + int(last)))[-1]
        return Quote(symbol, int(tick["ts"]), float(tick["price"]), bid=float(tick["bid"]), ask=float(tick["ask"]))

    def _random(self, symbol: str, *path: int) -> np.random.RandomState:
        words = [self.seed, zlib.crc32(symbol.encode()), *path]
        return np.random.RandomState(np.random.PCG64(np.random.SeedSequence(words)))

    def _make_days(self, symbol: str) -> _Days:
        recipe = _RECIPES.get(symbol)
        if recipe is None:
            raise ProviderError(f"there is no synthetic {symbol}, only {', '.join(_RECIPES)}", retryable=False)
        sessions = self._sessions(recipe.calendar, FIRST, LAST)
        gap, move, sigma, volume = _calibration(recipe.base)
        random = self._random(symbol, 0)
        n = len(sessions)
        drawn = random.randint(0, len(move), size=n)
        night, day = gap[drawn], move[drawn]
        if recipe.calendar == ALWAYS_OPEN:
            night = np.zeros(n)  # no night to jump over
        night[0] = 0.0
        log_close = np.log(recipe.start_price) + np.cumsum(night + day)
        open_px = np.exp(log_close - day)
        return _Days(sessions, open_px, np.exp(log_close), volume[drawn], sigma)

    def _minutes(self, symbol: str, year: int) -> BarColumns:
        days = self._days(symbol)
        members = np.flatnonzero(_year(days.sessions.open_ns) == year)
        lengths = (days.sessions.close_ns[members] - days.sessions.open_ns[members]) // MINUTE
        parts = []
        for length in np.unique(lengths):
            group = members[lengths == length]
            parts.append(_bridges(days, group, int(length), self._random(symbol, 1, year, int(length))))
        whole = BarColumns.concat(parts)
        return whole.take(np.argsort(whole.ts, kind="stable"))

    def _seconds(self, symbol: str, start_ns: int, end_ns: int) -> BarColumns:
        days = self._days(symbol).sessions
        touched = np.flatnonzero((days.close_ns > start_ns) & (days.open_ns < end_ns))
        if len(touched) > 31:
            raise ProviderError("synthetic 1s bars are made for at most 31 days at a time", retryable=False)
        epoch = date(1970, 1, 1).toordinal()
        parts = [_second_bars(self.ticks(symbol, date.fromordinal(epoch + int(days.day[i])))) for i in touched]
        return BarColumns.concat(parts).between(start_ns, end_ns)


@lru_cache(maxsize=8)
def _calibration(base: str) -> tuple[NDArray[np.float64], NDArray[np.float64], float, NDArray[np.float64]]:
    """From real days: overnight and open-to-close log moves (same day, same place), daily volatility of the path,
    and volume in today's shares. The moves' common mean is replaced by the stated drift."""
    provider = SampleProvider()
    bars = provider.history(base, "1d", 0, 2**62)
    split = np.ones(len(bars))
    for action in provider.actions(base):
        if action.split is not None:
            split[bars.ts < action.ex_day * DAY] *= action.split
    o, h, low, c = (array / split for array in bars.arrays()[:4])
    gap, move = np.log(o[1:] / c[:-1]), np.log(c[1:] / o[1:])
    gap, move = gap - gap.mean(), move - move.mean() + _DRIFT_PER_DAY
    # Parkinson (1980): variance of the path from the range, E[ln(H/L)²] = 4 ln 2 σ².
    sigma = float(np.sqrt(np.mean(np.log(h / low) ** 2) / (4.0 * np.log(2.0))))
    return gap, move, sigma, bars.volume[1:] * split[1:]


def _bridges(days: _Days, group: NDArray[np.intp], length: int, random: np.random.RandomState) -> BarColumns:
    """Minute bars of the sessions in `group`, all of `length` minutes."""
    shape = _u_shape(length)
    rows = len(group)
    steps = random.standard_normal((rows, length)) * np.sqrt(shape) * days.sigma
    walk = np.cumsum(steps, axis=1)
    share = np.cumsum(shape)
    start, end = np.log(days.open_px[group])[:, None], np.log(days.close_px[group])[:, None]
    path = start + walk - share * walk[:, -1:] + share * (end - start)
    close = np.exp(path)
    open_ = np.concatenate([days.open_px[group][:, None], close[:, :-1]], axis=1)
    reach = np.abs(random.standard_normal((2, rows, length))) * 0.5 * np.sqrt(shape) * days.sigma
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    high, low = top * (1.0 + reach[0]), bottom * (1.0 - reach[1])
    noise = np.exp(0.4 * random.standard_normal((rows, length)))
    volume = np.maximum(np.round(days.volume[group][:, None] * shape * noise), 100.0)
    open_, high, low, close = (np.maximum(np.round(a, 2), 0.01) for a in (open_, high, low, close))
    ts = days.sessions.open_ns[group][:, None] + np.arange(length) * MINUTE
    return BarColumns(*(np.ascontiguousarray(a.reshape(-1)) for a in (ts, open_, high, low, close, volume)))


def _u_shape(length: int) -> NDArray[np.float64]:
    """Each minute's share of a session's variance and volume: three times as much at the ends as at noon; sums to 1."""
    position = np.linspace(-1.0, 1.0, length)
    shape = 1.0 + 2.0 * position**2
    return shape / shape.sum()


def _ticks(bars: BarColumns, random: np.random.RandomState) -> NDArray[np.void]:
    count = random.randint(4, 13, size=len(bars))
    start = np.concatenate([[0], np.cumsum(count)])
    total = int(start[-1])
    owner = np.repeat(np.arange(len(bars)), count)
    within = np.arange(total) - start[owner]
    ticks = np.empty(total, TICK)
    # Times: one draw in each of `count` equal slots of the minute, so they are increasing without a sort.
    slot = MINUTE // count[owner]
    ticks["ts"] = bars.ts[owner] + within * slot + (random.random_sample(total) * slot).astype(np.int64)
    low, high = bars.low[owner], bars.high[owner]
    price = np.clip(np.round(low + (high - low) * random.random_sample(total), 2), low, high)
    first, last = start[:-1], start[1:] - 1
    price[first], price[last] = bars.open, bars.close
    swap = random.random_sample(len(bars)) < 0.5  # which extreme comes first
    price[first + 1], price[first + 2] = np.where(swap, bars.high, bars.low), np.where(swap, bars.low, bars.high)
    ticks["price"] = price
    weight = random.random_sample(total) + 0.2
    share = np.floor(bars.volume[owner] * weight / np.add.reduceat(weight, start[:-1])[owner])
    share[last] += bars.volume - np.add.reduceat(share, start[:-1])
    ticks["size"] = share
    half = np.round(0.005 * random.randint(1, 4, size=total), 3)
    ticks["bid"], ticks["ask"] = price - half, price + half
    return ticks


def _second_bars(ticks: NDArray[np.void]) -> BarColumns:
    if not len(ticks):
        return BarColumns.empty()
    second = ticks["ts"] // SECOND
    start = np.flatnonzero(np.concatenate([[True], np.diff(second) > 0]))
    end = np.concatenate([start[1:], [len(ticks)]]) - 1
    price = np.ascontiguousarray(ticks["price"])
    return BarColumns(
        second[start] * SECOND,
        price[start],
        np.maximum.reduceat(price, start),
        np.minimum.reduceat(price, start),
        price[end],
        np.add.reduceat(np.ascontiguousarray(ticks["size"]), start),
    )


def _year(ns: NDArray[np.int64]) -> NDArray[np.int64]:
    return ns.astype("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970
