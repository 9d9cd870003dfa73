"""From the engine's inputs to plain Python bars, one list a symbol (§2, §5, §13)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine import Bars, exchange
from engine.resample import last_fine_bar
from tests.engine.reference.model import Bar, Market, Signal

DAY = 86_400_000_000_000


def markets_of(
    bars: Mapping[str, Bars], signals: Mapping[str, Any], match_bars: Mapping[str, Bars] | None, allow_fractional: bool
) -> list[Market]:
    """Symbols in name order, each with its bars of the time line and the signals placed on them."""
    out = []
    for index, name in enumerate(sorted(bars)):
        coarse = bars[name]
        fine = match_bars[name] if match_bars else coarse
        rows = plain_bars(fine)
        places = last_fine_bar(coarse, fine).tolist() if match_bars else range(len(coarse))
        close_before = math.nan
        for i, place in enumerate(places):
            high, low, close = float(coarse.high[i]), float(coarse.low[i]), float(coarse.close[i])
            rows[place].decides = plain_signal(signals[name][i])
            if i:
                rows[place].true_range = max(max(high - low, abs(high - close_before)), abs(low - close_before))
            close_before = close
        fractional = allow_fractional and fine.fractionable
        market = Market(index, name, {bar.ts: bar for bar in rows}, float(fine.lot_size), fine.fractionable, fractional)
        out.append(market)
    return out


def plain_bars(bars: Bars) -> list[Bar]:
    ts = np.asarray(bars.ts)
    day = exchange.trading_days(ts, bars.timeframe, bars.calendar).tolist()
    opens, closes = exchange.session_bounds(ts, bars.timeframe, bars.calendar)
    length = exchange.timeframe_ns(bars.timeframe)
    out: list[Bar] = []
    seen: set[int] = set()  # trading days whose session has had a bar
    columns = zip(*(getattr(bars, name).tolist() for name in ("open", "high", "low", "close", "volume")), strict=True)
    for i, (start, ohlcv) in enumerate(zip(ts.tolist(), columns, strict=True)):
        first = last = over = True
        closing = False
        if bars.timeframe != "1d":
            regular = bool(opens[i] <= start < closes[i])
            first = regular and day[i] not in seen
            last = bool(regular and start + length >= closes[i])
            over = bool(start + length >= closes[i])
            closing = bars.calendar != "24/7" and bool(start + length + length >= closes[i])
            if regular:
                seen.add(day[i])
        out.append(Bar(i, start, *ohlcv, day[i], first, last, over, closing))
    return out


def plain_signal(raw: Any) -> Signal:
    if getattr(raw, "dtype", None) is None or raw.dtype.names is None:
        return Signal(int(raw))
    confidence = float(raw["confidence"])
    return Signal(
        int(raw["action"]),
        1.0 if math.isnan(confidence) else confidence,
        float(raw["limit_px"]),
        float(raw["stop_px"]),
        float(raw["target_weight"]),
        *(float(raw[name]) for name in ("bid_px", "ask_px", "quote_qty") if name in raw.dtype.names),
    )


def portfolio_day(bars: Mapping[str, Bars]) -> Callable[[int], int]:
    """The portfolio's day of a time (§10): the exchange's if all symbols share one calendar, else the UTC date."""
    every = list(bars.values())
    if len({b.calendar for b in every}) > 1:
        return lambda ts: ts // DAY
    days: dict[int, int] = {}
    for b in every:
        days |= dict(zip(b.ts.tolist(), exchange.trading_days(b.ts, b.timeframe, b.calendar).tolist(), strict=True))
    return days.__getitem__
