"""The trend of a coarse timeframe, entered on a fine one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import BUY, EXIT_LONG, EXIT_SHORT, SELL, Action, Line, Strategy, register
from strategies.indicators import crosses_above, crosses_below
from strategies.indicators import functions as f
from strategies.params import BoolParam, ChoiceParam, FloatParam, IntParam
from strategies.timeframes import aligned, base_bars

if TYPE_CHECKING:
    from engine import Bars

_TREND_TIMEFRAMES = ("5m", "15m", "1h", "4h", "1d")

_TREND_LINES = {"trend_average": Line("Average of the trend's bars"), "trend": Line("Trend: 1 up, -1 down", "own")}
_TRIGGER_LINES = {
    "rsi_pullback": {"rsi": Line("RSI", "own")},
    "crossover": {"fast": Line("Fast average"), "slow": Line("Slow average")},
}


@register
class MultiTimeframe(Strategy):
    """Buy with the trend of a coarser timeframe, on a trigger of the run's own bars; sell with a falling one.

    The trend is up while the last closed coarse bar closed above its moving average and that average has risen; down
    while both say the opposite. Triggers: an RSI that turns back up through its level after a pullback, or a fast
    average that crosses the slow one; for a falling trend mirrored. On bars as coarse as the trend's, the trend is read
    from the bars themselves.
    """

    slug, label, kind = "multi_timeframe", "Several timeframes", "trend"
    depends_on = ("strategies.timeframes",)
    trend_timeframe = ChoiceParam(
        "1d",
        choices=[(name, name) for name in _TREND_TIMEFRAMES],
        label="Trend bars",
        help="As coarse as the run's own bars, or coarser",
    )
    trend_window = IntParam(50, min=2, max=500, unit="bars", label="Trend average", help="Coarse bars in the average")
    trend_slope = IntParam(
        5, min=1, max=100, unit="bars", label="Trend slope", help="Coarse bars over which the average must have moved"
    )
    trigger = ChoiceParam(
        "rsi_pullback",
        choices=[("rsi_pullback", "RSI pullback"), ("crossover", "Average crossover")],
        help="What opens a position in the direction of the trend",
    )
    rsi_window = IntParam(14, min=2, max=500, unit="bars", label="RSI window", help="Bars in the RSI; pullback only")
    rsi_level = FloatParam(
        40.0, min=1, max=50, step=1, label="RSI level", help="Buy when it turns up through this, sell at 100 less this"
    )
    fast_window = IntParam(10, min=1, max=500, unit="bars", help="Bars in the fast average; crossover only")
    slow_window = IntParam(30, min=2, max=1_000, unit="bars", help="Bars in the slow average; crossover only")
    exit_on_trend_end = BoolParam(
        True, label="Leave with the trend", help="Close a position once the trend is no longer on its side"
    )

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self.line_info = {**_TREND_LINES, **_TRIGGER_LINES[self.trigger]}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        fast, slow = values["fast_window"], values["slow_window"]
        if values["trigger"] == "crossover" and fast >= slow:
            message = f"The fast window ({fast}) must be shorter than the slow one ({slow})."
            yield Fault("fast_window", "conflict", message, f"Below {slow}.")

    def warmup(self) -> int:
        trigger = self.rsi_window + 2 if self.trigger == "rsi_pullback" else self.slow_window + 1
        return max(trigger, self._coarse_bars())

    def bars_needed(self, timeframe: str, calendar: str) -> int:
        return max(self.warmup(), base_bars(self._coarse_bars(), self.trend_timeframe, timeframe, calendar))

    def timeframes(self) -> Iterable[str]:
        return (self.trend_timeframe,)

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        coarse = aligned(bars, self.trend_timeframe)
        average = f.sma(coarse.bars.close, self.trend_window)
        before = np.full(len(average), np.nan)
        before[self.trend_slope :] = average[: -self.trend_slope]
        up = (coarse.bars.close > average) & (average > before)
        down = (coarse.bars.close < average) & (average < before)
        trend = np.where(np.isnan(before), np.nan, up.astype(np.float64) - down)
        lines = {"trend_average": coarse.spread(average), "trend": coarse.spread(trend)}
        if self.trigger == "rsi_pullback":
            return lines | {"rsi": f.rsi(bars.close, self.rsi_window)}
        return lines | {"fast": f.sma(bars.close, self.fast_window), "slow": f.sma(bars.close, self.slow_window)}

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        lines = self.lines(bars)
        trend = lines["trend"]
        if self.trigger == "rsi_pullback":
            turns_up = crosses_above(lines["rsi"], self.rsi_level)
            turns_down = crosses_below(lines["rsi"], 100 - self.rsi_level)
        else:
            turns_up = crosses_above(lines["fast"], lines["slow"])
            turns_down = crosses_below(lines["fast"], lines["slow"])
        signals = np.select([turns_up & (trend == 1), turns_down & (trend == -1)], [BUY, SELL], 0).astype(np.int8)
        if self.exit_on_trend_end and len(bars):
            before = np.concatenate(([np.nan], trend[:-1]))
            quiet = signals == 0
            signals[quiet & (before == 1) & (trend != 1)] = EXIT_LONG
            signals[quiet & (before == -1) & (trend != -1)] = EXIT_SHORT
        # A first trend may end before the trigger's own bars are there.
        signals[: self.warmup() - 1] = 0
        return signals

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        trend = {1.0: "up", -1.0: "down", 0.0: "undecided"}.get(at["trend"], "not known yet")
        words = f"The trend on {self.trend_timeframe} bars is {trend}"
        if self.trigger == "rsi_pullback":
            value, turned = f"the RSI is {at['rsi']:.1f}", "turned through its level"
        else:
            value, turned = f"the averages are {at['fast']:.2f} and {at['slow']:.2f}", "crossed"
        entered = (action, at["trend"]) in (("BUY", 1.0), ("SELL", -1.0))
        if entered:
            return f"{words}; {value} and {turned} in its direction."
        if action != "HOLD":
            return f"{words}; it no longer carries the position."
        return f"{words}; {value}."

    def _coarse_bars(self) -> int:
        return self.trend_window + self.trend_slope
