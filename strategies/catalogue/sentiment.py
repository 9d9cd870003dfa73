"""The mood of the news."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from marketdata.news.names import ANY, MAX_DAYS, SOURCES, Window
from strategies.base import Action, Line, Strategy, register, votes
from strategies.params import ChoiceParam, FloatParam, IntParam

if TYPE_CHECKING:
    from engine import Bars


@register
class Sentiment(Strategy):
    """Buy when the news of the last days is good on average; sell when it is bad.

    Each item was scored from -1 to 1 when it came in; the page Data, News shows the score word by word. A bar counts
    what was published before it closed, over the lookback. A session counts what came in after it had started from the
    moment it came in; a backtest takes it that news is known when it is published. Without enough items there is no
    signal.
    """

    slug, label, kind = "sentiment", "News sentiment", "sentiment"
    needs = ("news",)
    lookback_days = IntParam(3, min=1, max=MAX_DAYS, unit="days", help="Days of news that count, up to the bar's close")
    buy_threshold = FloatParam(0.2, min=-1, max=1, step=0.05, help="Buys at or above this mean score, -1 to 1")
    sell_threshold = FloatParam(-0.2, min=-1, max=1, step=0.05, help="Sells at or below this mean score, -1 to 1")
    source = ChoiceParam(
        ANY, choices=[(ANY, "Any source"), *SOURCES.items()], label="News source", help="Whose news count"
    )
    min_items = IntParam(1, min=1, max=1_000, unit="items", help="Least number of items in the lookback")

    line_info = {"sentiment": Line("Mean score", "own"), "items": Line("Items of news", "own")}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        if values["sell_threshold"] >= values["buy_threshold"]:
            message = (
                f"The sell threshold ({values['sell_threshold']:g}) must be below the buy threshold "
                f"({values['buy_threshold']:g})."
            )
            yield Fault("sell_threshold", "conflict", message, f"Below {values['buy_threshold']:g}.")

    def warmup(self) -> int:
        return 1

    def extras(self) -> tuple[str, ...]:
        return self._window.score, self._window.count

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        nothing = np.full(len(bars), np.nan)
        return {
            "sentiment": bars.extras.get(self._window.score, nothing),
            "items": bars.extras.get(self._window.count, nothing),
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        mood, items = self.lines(bars).values()
        enough = items >= self.min_items
        return votes(enough & (mood >= self.buy_threshold), enough & (mood <= self.sell_threshold))

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        """One half at the threshold, 1 at a mean score of 1 or -1."""
        mood = self.lines(bars)["sentiment"]
        level = np.where(mood >= self.buy_threshold, self.buy_threshold, -self.sell_threshold)
        past, room = np.where(mood >= self.buy_threshold, mood, -mood) - level, 1.0 - level
        share = np.divide(past, room, out=np.ones(len(bars)), where=room > 0)
        return np.clip(0.5 + np.nan_to_num(share) / 2, 0.0, 1.0)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        if not np.isfinite(at["items"]):
            return "Unavailable: these bars come without news."
        days = "the last day" if self.lookback_days == 1 else f"the last {self.lookback_days} days"
        if at["items"] < self.min_items:
            return f"{at['items']:.0f} items of news in {days}, fewer than {self.min_items}: no opinion."
        verdict = {
            "BUY": f"at least {self.buy_threshold:g}",
            "SELL": f"at most {self.sell_threshold:g}",
            "HOLD": f"between {self.sell_threshold:g} and {self.buy_threshold:g}",
        }[action]
        return f"{at['items']:.0f} items of news in {days} with a mean score of {at['sentiment']:+.2f}: {verdict}."

    @property
    def _window(self) -> Window:
        return Window(self.source, self.lookback_days)
