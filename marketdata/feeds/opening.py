"""From a `FeedKey` to its feed, and to the history that comes before it.

Options of a key; all are plain JSON values, so that a row can hold them. Times are ISO texts with a zone, or ns UTC.

- `synthetic`: seed, ticks_per_s (1 to 50), accelerate (above 0, at most 3600), anchor (when the market's clock and the
  wall clock agree; needed to accelerate).
- `replay`: source, timeframe, start, end (all needed; days as in `load_bars`), adjustment, owner (user id), speed
  (0 to 100,000), keep_gaps, resume_at, run (any text: two keys that differ in it do not share a clock).
- `alpaca`: account (id of the broker account whose keys are used; without it the installation's own), market (stocks or
  crypto). `polygon`: none. `binance`: account (one on the practice venue hears that venue), candles (1m or 1s).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import partial
from math import isfinite
from typing import Any

import numpy as np

from engine.errors import Fault, InputError
from engine.types import TIMEFRAMES
from marketdata.columns import BarColumns
from marketdata.feeds import synthetic
from marketdata.feeds.base import Feed
from marketdata.feeds.builder import check_multiple
from marketdata.feeds.live import places
from marketdata.feeds.live.alpaca import AlpacaFeed
from marketdata.feeds.live.binance import BinanceFeed
from marketdata.feeds.live.polygon import PolygonFeed
from marketdata.feeds.live.vendor import VendorFeed
from marketdata.feeds.replay import ReplayFeed, Series
from marketdata.feeds.types import FeedKey
from marketdata.zones import calendar_zone, from_ns, to_ns

_LOOKBACK = timedelta(days=7)


def open_feed(key: FeedKey) -> Feed:
    """The feed of a key. Does no I/O yet. Raises InputError for an unknown provider, or an option that is wrong."""
    return _maker(key)(dict(key.options))


def _maker(key: FeedKey) -> Callable[[dict[str, Any]], Feed]:
    maker = _MAKERS.get(key.provider)
    if maker is None:
        raise InputError(
            Fault("provider", "unknown_choice", f"{key.provider!r} is no feed", "one of " + ", ".join(_MAKERS))
        )
    return maker


def warmup(key: FeedKey, symbol: str, timeframe: str, bars: int, before_ns: int) -> BarColumns:
    """The last `bars` bars of the feed's own series that have ended by `before_ns`; fewer where it has no more.

    Blocking: a replay reads the store, a vendor is asked (call it in a thread). Raises InputError, FeedError.
    """
    feed = open_feed(key)
    check_multiple(feed.base_timeframe, timeframe)
    if isinstance(feed, synthetic.SyntheticFeed | VendorFeed):
        return feed.history(symbol, timeframe, bars, before_ns)
    return _stored_history(_Stored.of(dict(key.options)), symbol, timeframe, bars, before_ns)


# --- Stored bars -----------------------------------------------------------------------------------------------------
class _Stored:
    """Which stored bars a replay takes. All is read from the options of its key."""

    def __init__(self, source: str, timeframe: str, start: Any, end: Any, adjustment: str, owner: int | None) -> None:
        self.source, self.timeframe, self.adjustment, self.owner = source, timeframe, adjustment, owner
        self.start, self.end = _moment(start, "start"), _moment(end, "end")
        if isinstance(self.start, datetime) != isinstance(self.end, datetime):
            raise InputError(Fault("end", "wrong_type", "start and end are both days or both times"))
        if self.start > self.end:
            raise InputError(Fault("end", "out_of_range", f"{end} is before the start {start}"))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> _Stored:
        faults = [
            Fault(name, "required", f"a replay needs {name}")
            for name in ("source", "timeframe", "start", "end")
            if not options.get(name)
        ]
        if faults:
            raise InputError(faults)
        if options["timeframe"] not in TIMEFRAMES:
            message = f"{options['timeframe']!r} is not a timeframe"
            raise InputError(Fault("timeframe", "unknown_choice", message, "one of " + ", ".join(TIMEFRAMES)))
        return cls(
            options["source"],
            options["timeframe"],
            options["start"],
            options["end"],
            options.get("adjustment", "split_dividend"),
            options.get("owner"),
        )

    def load(self, symbol: str, *, lookback: timedelta = _LOOKBACK) -> Series:
        """From `lookback` before the start to the end. Always to the end, because prices are adjusted to it."""
        from django.db import close_old_connections

        from marketdata.services import load_bars

        close_old_connections()
        try:
            loaded = load_bars(
                [symbol],
                self.timeframe,
                self.start - lookback,
                self.end,
                source=self.source,
                adjustment=self.adjustment,
                owner=self.owner,
            )
        finally:
            close_old_connections()
        bars = next(iter(loaded.bars.values()))
        zone = UTC if self.timeframe == "1d" else calendar_zone(bars.calendar)
        return Series(bars, int(np.searchsorted(bars.ts, to_ns(_instant(self.start, zone)))))


def _stored_history(stored: _Stored, symbol: str, timeframe: str, count: int, before_ns: int) -> BarColumns:
    """Reads further and further back until there are enough, or no more."""
    span = max(timedelta(microseconds=TIMEFRAMES[timeframe] * count / 1000), timedelta(days=1)) * 2
    gap = max(_instant(stored.start) - from_ns(before_ns), timedelta())
    found = BarColumns.empty()
    for _ in range(6):
        bars, closes = stored.load(symbol, lookback=span + gap + _LOOKBACK).of(timeframe)
        last = int(np.searchsorted(closes, before_ns, side="right"))
        first = max(0, last - count)
        found = BarColumns(*(a[first:last] for a in (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)))
        if first > 0:  # one more than enough, so that the first is whole
            break
        span *= 3
    return found


def _replay(options: dict[str, Any]) -> Feed:
    known = {"source", "timeframe", "start", "end", "adjustment", "owner", "speed", "keep_gaps", "resume_at", "run"}
    _refuse_unknown(options, known)
    resume, stored = options.get("resume_at"), _Stored.of(options)
    return ReplayFeed(
        stored.load,
        stored.timeframe,
        start_ns=to_ns(_instant(stored.start)),
        speed=_number(options, "speed", 0.0, 0.0, 100_000.0),
        keep_gaps=bool(options.get("keep_gaps", False)),
        resume_at_ns=_ns(resume, "resume_at") if resume else 0,
    )


def _synthetic(options: dict[str, Any]) -> Feed:
    _refuse_unknown(options, {"seed", "ticks_per_s", "accelerate", "anchor"})
    accelerate = _number(options, "accelerate", 1.0, 0.001, 3600.0)
    anchor = options.get("anchor")
    if accelerate != 1.0 and not anchor:
        raise InputError(Fault("anchor", "required", "a market that is accelerated needs the moment it starts from"))
    return synthetic.SyntheticFeed(
        seed=int(_number(options, "seed", synthetic.DEFAULT_SEED, 0, 2**53)),
        ticks_per_s=int(_number(options, "ticks_per_s", 2, 1, 50)),
        accelerate=accelerate,
        anchor_ns=_ns(anchor, "anchor") if anchor else 0,
    )


def _alpaca(options: dict[str, Any]) -> Feed:
    _refuse_unknown(options, {"account", "market"})
    market = _choice(options, "market", (places.STOCKS, places.COINS))
    return AlpacaFeed(partial(places.alpaca, _account(options), market), market)


def _polygon(options: dict[str, Any]) -> Feed:
    _refuse_unknown(options, set())
    return PolygonFeed(places.polygon)


def _binance(options: dict[str, Any]) -> Feed:
    _refuse_unknown(options, {"account", "candles"})
    return BinanceFeed(partial(places.binance, _account(options)), _choice(options, "candles", ("1m", "1s")))


_MAKERS: dict[str, Callable[[dict[str, Any]], Feed]] = {
    "synthetic": _synthetic,
    "replay": _replay,
    "alpaca": _alpaca,
    "polygon": _polygon,
    "binance": _binance,
}


# --- Options ---------------------------------------------------------------------------------------------------------
def _refuse_unknown(options: Mapping[str, Any], known: set[str]) -> None:
    faults = [
        Fault(name, "unknown_field", f"{name!r} is no option of this feed", "one of " + ", ".join(sorted(known)))
        for name in sorted(set(options) - known)
    ]
    if faults:
        raise InputError(faults)


def _account(options: Mapping[str, Any]) -> int | None:
    return int(_number(options, "account", 0, 1, 2**53)) if options.get("account") is not None else None


def _choice(options: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    """One of `known`, the first where none is given."""
    value = options.get(name, known[0])
    if value not in known:
        raise InputError(Fault(name, "unknown_choice", f"{name} is {str(value)[:40]!r}", "one of " + ", ".join(known)))
    return str(value)


def _number(options: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise InputError(Fault(name, "not_a_finite_number", f"{name} is {value!r}"))
    if not least <= value <= most:
        raise InputError(Fault(name, "out_of_range", f"{name} is {value:g}", f"between {least:g} and {most:g}"))
    return value


def _moment(value: Any, name: str) -> date | datetime:
    """A day, or an aware time in UTC, from an ISO text or ns."""
    if isinstance(value, int) and not isinstance(value, bool):
        return from_ns(value)
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is not None:
        return day
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(
            Fault(name, "bad_time", f"{str(value)[:40]!r} is no day and no time", "write 2024-03-01")
        ) from None
    if moment.tzinfo is None:
        raise InputError(Fault(name, "naive_time", "a time needs its zone", "end it with Z for UTC"))
    return moment.astimezone(UTC)


def _ns(value: Any, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return to_ns(_instant(_moment(value, name)))


def _instant(value: date | datetime, zone: tzinfo = UTC) -> datetime:
    """A day as its midnight in `zone`."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, time(), tzinfo=zone).astimezone(UTC)
