"""Condition trees to start from: well-known ideas as plain data, in the canonical form. Plain Python.

They show how an idea is written down; none of them is advice, and each says when it tends to lose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Starter:
    """One template of the builder. timeframe: the bars it is meant for. Trees are canonical, None where it has none."""

    slug: str
    label: str
    description: str
    timeframe: str
    buy: Node | None
    sell: Node | None = None
    short: Node | None = None
    cover: Node | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the trees under the names that the API gives them."""
        trees = {f"{name}_conditions": getattr(self, name) for name in ("buy", "sell", "short", "cover")}
        plain = {"slug": self.slug, "label": self.label, "description": self.description, "timeframe": self.timeframe}
        return plain | trees


def _all(*children: Node) -> Node:
    return {"type": "and", "children": list(children)}


def _any(*children: Node) -> Node:
    return {"type": "or", "children": list(children)}


def _is(left: Node, condition: str, right: Node) -> Node:
    return {"type": "compare", "left": left, "condition": condition, "right": right}


def _number(value: float) -> Node:
    return {"value": value}


def _sma(period: int, **more: Any) -> Node:
    return {"indicator": "sma", "period": period, "source": "close", **more}


def _ema(period: int) -> Node:
    return {"indicator": "ema", "period": period, "source": "close"}


def _rsi(period: int = 14) -> Node:
    return {"indicator": "rsi", "period": period}


def _macd(line: str) -> Node:
    return {"indicator": "macd", "fast": 12, "slow": 26, "signal": 9, "output": line}


def _bollinger(line: str) -> Node:
    return {"indicator": "bollinger", "period": 20, "width": 2, "ma_type": "SMA", "output": line}


def _channel(period: int, line: str) -> Node:
    # Without the bar itself, which can touch its own highest high but never close above it.
    return {"indicator": "donchian", "period": period, "output": line, "bars_ago": 1}


def _stochastic(line: str) -> Node:
    return {"indicator": "stochastic", "period": 14, "k": 3, "d": 3, "output": line}


_CLOSE: Node = {"price": "close"}
_VOLUME: Node = {"price": "volume"}

STARTERS: tuple[Starter, ...] = (
    Starter(
        "rsi_bounce",
        "RSI oversold bounce",
        "Buys when the RSI comes back above 30, sells when it reaches 70. Loses in a long fall, where each bounce is "
        "sold into.",
        "1d",
        buy=_all(_is(_rsi(), "crosses_above", _number(30))),
        sell=_all(_is(_rsi(), "crosses_above", _number(70))),
    ),
    Starter(
        "macd_cross",
        "MACD cross",
        "Buys when the MACD crosses above its signal line, sells when it crosses below. Trades often and loses where "
        "prices go sideways.",
        "1d",
        buy=_all(_is(_macd("macd"), "crosses_above", _macd("signal"))),
        sell=_all(_is(_macd("macd"), "crosses_below", _macd("signal"))),
    ),
    Starter(
        "golden_cross",
        "Golden cross",
        "Buys when the average of 50 bars crosses above that of 200, sells when it crosses below. Late by design: it "
        "gives back a part of every trend.",
        "1d",
        buy=_all(_is(_sma(50), "crosses_above", _sma(200))),
        sell=_all(_is(_sma(50), "crosses_below", _sma(200))),
    ),
    Starter(
        "bollinger_reversion",
        "Bollinger reversion",
        "Buys when the close comes back above the lower band, sells at the middle. Loses when a fall goes on along the "
        "band.",
        "1d",
        buy=_all(_is(_CLOSE, "crosses_above", _bollinger("lower"))),
        sell=_all(_is(_CLOSE, "crosses_above", _bollinger("middle"))),
    ),
    Starter(
        "donchian_breakout",
        "Donchian breakout",
        "Buys a close above the highest high of the 20 bars before, sells a close below the lowest low of 10. Most "
        "breakouts fail; it lives on the few that go far.",
        "1d",
        buy=_all(_is(_CLOSE, "above", _channel(20, "upper"))),
        sell=_all(_is(_CLOSE, "below", _channel(10, "lower"))),
    ),
    Starter(
        "stochastic_trend",
        "Stochastic with a trend filter",
        "Buys dips of an upward trend: %K crosses above %D below 30 while the close is above its average of 200 bars. "
        "Loses when the trend breaks.",
        "1d",
        buy=_all(
            _is(_stochastic("k"), "crosses_above", _stochastic("d")),
            _is(_stochastic("k"), "below", _number(30)),
            _is(_CLOSE, "above", _sma(200)),
        ),
        sell=_any(_is(_stochastic("k"), "crosses_above", _number(80)), _is(_CLOSE, "crosses_below", _sma(200))),
    ),
    Starter(
        "volume_breakout",
        "Volume breakout",
        "Buys a close above the highest high of the 20 bars before, on more volume than usual; sells below the average "
        "of 20. Needs volume that means something: few quiet symbols have it.",
        "1d",
        buy=_all(
            _is(_CLOSE, "above", _channel(20, "upper")),
            _is(_VOLUME, "above", {"indicator": "volume_sma", "period": 20}),
            _is(_VOLUME, "above", {"price": "volume", "bars_ago": 1}),
        ),
        sell=_all(_is(_CLOSE, "crosses_below", _ema(20))),
    ),
    Starter(
        "daily_trend",
        "Hourly entries in a daily trend",
        "On bars of an hour: buys when the close crosses above its average of 20 while the day's close is above the "
        "average of 50 days. Reads days that are over only.",
        "1h",
        buy=_all(
            _is(_CLOSE, "crosses_above", _ema(20)),
            _is({"price": "close", "timeframe": "1d"}, "above", _sma(50, timeframe="1d")),
        ),
        sell=_any(
            _is(_CLOSE, "crosses_below", _ema(20)),
            _is({"price": "close", "timeframe": "1d"}, "below", _sma(50, timeframe="1d")),
        ),
    ),
    Starter(
        "strong_trend",
        "Averages in a strong trend",
        "Buys when the average of 12 bars crosses above that of 26 and the ADX shows a trend. Misses turns, and loses "
        "when strength fades.",
        "1d",
        buy=_all(
            _is(_ema(12), "crosses_above", _ema(26)),
            _is({"indicator": "adx", "period": 14, "output": "adx"}, "above", _number(20)),
        ),
        sell=_all(_is(_ema(12), "crosses_below", _ema(26))),
    ),
    Starter(
        "both_ways",
        "Momentum both ways",
        "Long above the average of 50 bars, short below it, each held for two bars before it counts. Needs settings "
        "that allow shorting; loses where prices go sideways.",
        "1d",
        buy=_all({**_is(_CLOSE, "above", _sma(50)), "for_bars": 2}),
        sell=_all(_is(_CLOSE, "crosses_below", _sma(50))),
        short=_all({**_is(_CLOSE, "below", _sma(50)), "for_bars": 2}),
        cover=_all(_is(_CLOSE, "crosses_above", _sma(50))),
    ),
)
