"""Checks of bars and quotes. Each fault has a name, so that a page, a log and a test speak of the same thing.

Refusing checks (`check_bars`, `check_quote`) find what cannot be true. `jumps` only points at what is unusual: real
prices do fall 58% in a day, so nothing here ever removes a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from marketdata.adjust import Action
from marketdata.columns import FIELDS, SECOND, BarColumns

MAX_QUOTE_AGE_NS = 300 * SECOND
JUMP_RATIO = 0.40
"""A close-to-close move of more than this is shown on the data page (not refused)."""
MIN_PRICE, MAX_PRICE, MAX_VOLUME = 1e-12, 1e12, 1e18
"""Far beyond every market there is, and near enough that no sum, product or square in a run leaves the doubles."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a source says an instrument is worth now. None means that the source does not give it."""

    symbol: str
    ts: int
    price: float
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    volume: float | None = None
    change_pct: float | None = None
    market_cap: float | None = None


def check_quote(quote: Quote, now_ns: int) -> list[Fault]:
    """What is wrong with a quote at `now_ns` (ns UTC); empty when nothing is.

    Codes: not_a_finite_number, price_not_positive, size_not_positive, crossed_quote (ask ≤ bid), in_the_future, stale
    (older than five minutes).
    """
    faults = []

    def number(name: str, value: float | None, positive_code: str | None) -> bool:
        if value is None:
            return False
        if not np.isfinite(value):
            faults.append(Fault(name, "not_a_finite_number", f"{name} is {value}"))
            return False
        if positive_code and value <= 0:
            faults.append(Fault(name, positive_code, f"{name} {value:g} is not above 0"))
            return False
        return True

    number("price", quote.price, "price_not_positive")
    both = [number(side, getattr(quote, side), "price_not_positive") for side in ("bid", "ask")]
    for size in ("bid_size", "ask_size"):
        number(size, getattr(quote, size), "size_not_positive")
    if all(both) and quote.ask <= quote.bid:  # type: ignore[operator]
        faults.append(Fault("ask", "crossed_quote", f"ask {quote.ask:g} is not above bid {quote.bid:g}"))
    if quote.ts > now_ns:
        faults.append(
            Fault("ts", "in_the_future", f"the quote is {(quote.ts - now_ns) / SECOND:.3f} s ahead of the clock")
        )
    elif now_ns - quote.ts > MAX_QUOTE_AGE_NS:
        faults.append(Fault("ts", "stale", f"the quote is {(now_ns - quote.ts) / SECOND:.0f} s old; 300 s are allowed"))
    return faults


def check_bars(
    bars: BarColumns,
    *,
    limit: int = 10,
    where: Callable[[int, str], str] = lambda i, column: f"bar {i}, column {column}",
) -> list[Fault]:
    """The first `limit` faults of bars, by position; `where(i, column)` words the place of bar `i`.

    Codes: not_a_finite_number, price_not_positive, negative_volume, out_of_range (no price or volume of any market),
    high_below_low, open_out_of_range, close_out_of_range (outside low..high), duplicate_time, not_sorted.
    """
    found: list[tuple[int, int, Fault]] = []

    def note(mask: NDArray[np.bool_], column: str, code: str, message: Callable[[int], str]) -> None:
        for i in np.flatnonzero(mask)[:limit].tolist():
            found.append((i, len(found), Fault(where(i, column), code, message(i))))

    o, h, l, c, v = bars.arrays()  # noqa: E741
    finite = np.ones(len(bars), bool)
    for name, array in zip(FIELDS, bars.arrays(), strict=True):
        good = np.isfinite(array)
        finite &= good
        note(~good, name, "not_a_finite_number", lambda i, n=name, a=array: f"{n} is {a[i]}")
        if name != "volume":
            note(
                good & (array <= 0),
                name,
                "price_not_positive",
                lambda i, n=name, a=array: f"{n} {a[i]:g} is not above 0",
            )
            note(
                good & (array > 0) & ((array < MIN_PRICE) | (array > MAX_PRICE)),
                name,
                "out_of_range",
                lambda i, n=name, a=array: f"{n} {a[i]:g} is not between {MIN_PRICE:g} and {MAX_PRICE:g}",
            )
    note(
        np.isfinite(v) & (v > MAX_VOLUME),
        "volume",
        "out_of_range",
        lambda i: f"volume {v[i]:g} is above {MAX_VOLUME:g}",
    )
    note(v < 0, "volume", "negative_volume", lambda i: f"volume {v[i]:g} is below 0")
    crossed = finite & (h < l)
    note(crossed, "high", "high_below_low", lambda i: f"high {h[i]:g} is below low {l[i]:g}")
    for name, array in (("open", o), ("close", c)):
        note(
            finite & ~crossed & ((array < l) | (array > h)),
            name,
            f"{name}_out_of_range",
            lambda i, n=name, a=array: f"{n} {a[i]:g} is outside low {l[i]:g} to high {h[i]:g}",
        )
    step = np.diff(bars.ts)
    note(np.concatenate([[False], step == 0]), "time", "duplicate_time", lambda i: "the same time as the row before it")
    note(np.concatenate([[False], step < 0]), "time", "not_sorted", lambda i: "earlier than the row before it")
    found.sort(key=lambda entry: (entry[0], entry[1]))
    return [fault for _, _, fault in found[:limit]]


@dataclass(frozen=True, slots=True)
class Jump:
    """A close-to-close move larger than JUMP_RATIO. `explained`: the corporate action of that day, if one is known."""

    ts: int
    return_ratio: float
    explained: str
    looks_like: str


def jumps(bars: BarColumns, days: NDArray[np.int32], actions: Sequence[Action], *, limit: int = 50) -> list[Jump]:
    """The largest moves of raw closes, largest first; at most `limit`.

    An overnight move without a known action is marked as possibly a split when the open stands at less than a third or
    more than three times the last close, or within 2% of 3:2, 2:1 or 5:2 (real crashes by just that much are rare).
    """
    if len(bars) < 2:
        return []
    ratio = bars.close[1:] / bars.close[:-1]
    large = np.flatnonzero(np.abs(ratio - 1.0) > JUMP_RATIO)
    order = large[np.argsort(-np.abs(np.log(ratio[large])), kind="stable")][:limit]
    by_day = {a.ex_day: a for a in actions}
    found = []
    for i in order.tolist():
        overnight = days[i + 1] != days[i]
        action = by_day.get(int(days[i + 1])) if overnight else None
        explained = ""
        if action is not None:
            explained = f"split {action.split:g}:1" if action.split else f"dividend {action.dividend:g}"
        looks_like = "" if explained or not overnight else _split_like(float(bars.open[i + 1] / bars.close[i]))
        found.append(Jump(int(bars.ts[i + 1]), float(ratio[i] - 1.0), explained, looks_like))
    return found


def _split_like(gap: float) -> str:
    """``2-for-1 split`` for an overnight price ratio (open ÷ last close) that a split would explain; else empty."""
    times = max(gap, 1.0 / gap)
    if times >= 3.0:
        new, old = round(times), 1
    else:
        near = [(new, old) for new, old in ((3, 2), (2, 1), (5, 2)) if abs(times * old / new - 1.0) < 0.02]
        if not near:
            return ""
        new, old = near[0]
    return f"{old}-for-{new} reverse split" if gap > 1.0 else f"{new}-for-{old} split"
