"""The vote, on arrays: what each member's opinion is on each bar, what they agree on, how sure they are together.

Every function is causal to the last bit: members are added up in their order, one array operation each, and nothing
reads a later bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies.base import BUY, EXIT, EXIT_LONG, EXIT_SHORT, SELL

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

VOTES = {
    "weighted": "Share of the weight",
    "majority": "More than half of the members",
    "unanimous": "All members",
    "any": "Any member",
}
# Shares are sums of rounded ratios: three members of 20 % are 60 %.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one member says on each bar of the run.

    state: the code it says, kept for as long as it counts; 0: none. spoke: whether it said so on this very bar.
    confidence: of what it says, 0..1. said_at: place of the bar on which it said it, in its own bars; -1: none.
    ready: whether it has bars enough to say anything.
    """

    state: Codes
    spoke: Flags
    confidence: Floats
    said_at: NDArray[np.int64]
    ready: Flags


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums of a vote, one a bar: shares of the weight (0..1) that say each thing.

    buy, sell: open that side. close_long, close_short: would leave it; who sells leaves a long position too.
    agreed: the code that the members agree on; 0: none. confidence: 0..1, for that code.
    """

    buy: Floats
    sell: Floats
    close_long: Floats
    close_short: Floats
    agreed: Codes
    confidence: Floats


def shares(weights: Sequence[float], balance: float) -> list[float]:
    """Each member's share of the vote; together 1.

    balance × weight / sum of weights + (1 - balance) / number of members: at 1 the weights as given, at 0 one like the
    other. Where all weights are 0 they are equal.
    """
    total, equal = sum(weights), 1 / len(weights)
    if total <= 0:
        return [equal] * len(weights)
    return [balance * weight / total + (1 - balance) * equal for weight in weights]


def held(codes: Codes, bars: int) -> tuple[Codes, NDArray[np.int64]]:
    """(code, place of the bar that said it) of the last opinion, for `bars` bars with its own; 0 and -1 without one."""
    place = np.arange(len(codes))
    said = np.maximum.accumulate(np.where(codes != 0, place, -1)) if len(codes) else place
    counts = (said >= 0) & (place - said < bars)
    return np.where(counts, codes[said], 0).astype(np.int8), np.where(counts, said, -1)


def tally(opinions: Sequence[Opinion], weights: Sequence[float], vote: str, threshold: float) -> Tally:
    """What the members say together. weights: their shares. Raises KeyError on an unknown vote."""
    n = len(opinions[0].state)
    counts = {name: np.zeros(n, np.int64) for name in ("buy", "sell", "close_long", "close_short")}
    sums = {name: np.zeros(n) for name in counts}
    sure = np.zeros(n)
    for opinion, share in zip(opinions, weights, strict=True):
        state = opinion.state
        says = {
            "buy": state == BUY,
            "sell": state == SELL,
            "close_long": (state == SELL) | (state == EXIT_LONG) | (state == EXIT),
            "close_short": (state == BUY) | (state == EXIT_SHORT) | (state == EXIT),
        }
        for name, says_so in says.items():
            counts[name] += says_so
            sums[name] += share * says_so
        # An exit of whatever there is takes no side.
        side = says["close_short"].astype(np.float64) - says["close_long"]
        sure += share * opinion.confidence * side
    enough = {
        name: (counts[name] > 0) & _enough(vote, counts[name], sums[name], len(opinions), threshold) for name in counts
    }
    ready = np.logical_and.reduce([opinion.ready for opinion in opinions])
    agreed = np.where(ready, _agreed(enough, sums), 0).astype(np.int8)
    upward = (agreed == BUY) | (agreed == EXIT_SHORT)
    confidence = np.where(agreed == EXIT, sums["close_long"], np.where(upward, sure, -sure))
    return Tally(**sums, agreed=agreed, confidence=np.where(agreed != 0, np.clip(confidence, 0.0, 1.0), 0.0))


def _enough(vote: str, count: NDArray[np.int64], share: Floats, members: int, threshold: float) -> Flags:
    enough: Flags = {
        "weighted": share >= threshold - _TIE,
        "majority": 2 * count > members,
        "unanimous": count == members,
        "any": count > 0,
    }[vote]
    return enough


def _agreed(enough: dict[str, Flags], share: dict[str, Floats]) -> Codes:
    """The code of each bar; where both sides have enough the one with more weight stands, and with as much neither."""
    buys = enough["buy"] & ~(enough["close_long"] & (share["close_long"] >= share["buy"] - _TIE))
    sells = enough["sell"] & ~(enough["close_short"] & (share["close_short"] >= share["sell"] - _TIE))
    over = share["close_long"] - share["close_short"]
    # An entry that met as much on the other side leaves nothing of either; without entries, exits stand side by side.
    contested = (enough["buy"] & enough["close_long"]) | (enough["sell"] & enough["close_short"])
    leaves_long = enough["close_long"] & (~contested | (over > _TIE))
    leaves_short = enough["close_short"] & (~contested | (over < -_TIE))
    return np.select(
        [buys, sells, leaves_long & leaves_short, leaves_long, leaves_short],
        [BUY, SELL, EXIT, EXIT_LONG, EXIT_SHORT],
        0,
    ).astype(np.int8)


def fires(agreed: Codes, passes: Flags, spoke: Flags) -> Flags:
    """Bars that signal: the members agree, and that is news.

    News: they did not agree on this before; or one of them said it (again) on this very bar; or an entry that was
    refused until now is refused no longer. passes: whether an entry on this bar is let through.
    """
    before = np.concatenate(([0], agreed[:-1])) if len(agreed) else agreed
    refused_before = np.concatenate(([False], ~passes[:-1])) if len(agreed) else passes
    fired: Flags = (agreed != 0) & ((agreed != before) | spoke | (passes & refused_before))
    return fired


def speaks_for(opinions: Sequence[Opinion], agreed: Codes) -> Flags:
    """Bars on which a member said something that belongs to what was agreed."""
    upward, downward = (agreed == BUY) | (agreed == EXIT_SHORT), (agreed == SELL) | (agreed == EXIT_LONG)
    found = np.zeros(len(agreed), bool)
    for opinion in opinions:
        up = (opinion.state == BUY) | (opinion.state == EXIT_SHORT) | (opinion.state == EXIT)
        down = (opinion.state == SELL) | (opinion.state == EXIT_LONG) | (opinion.state == EXIT)
        found |= opinion.spoke & ((up & upward) | (down & downward) | ((agreed == EXIT) & (up | down)))
    return found
