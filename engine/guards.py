"""What an entry meets beside cash, slots and its own size: docs/fills.md section 16.

`s` is a symbol, `i` its bar of this step. Money is that of marks; what exits will take away is not counted.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.booking import affordable, commission_of, free_cash
from engine.clock import closed_bars
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int32_at,
    int64_at,
    kernel,
    set_float,
    set_int64,
    settings_at,
    world_at,
)
from engine.quotes import may_open, quote_of
from engine.types import ACCOUNT_CAP, GROSS_CAP, NET_CAP, NO_CASH

PACE_NS = 60_000_000_000
PACE_ROOM = 1_000  # entries that are remembered, the largest max_orders_per_minute


@kernel
def staying(w: Any, s: Any) -> Any:
    """The signed quantity of s without what its working exit will sell."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if holding.exit_order < 0:
        return holding.qty
    side = 1.0 if holding.qty > 0.0 else -1.0
    return holding.qty - side * holding.exit_left


@kernel
def committed(w: Any, s: Any) -> Any:
    """(gross, net, of s), money: positions that stay, then working entries of other symbols, then what their quotes may
    open, each in name order."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    gross = 0.0
    net = 0.0
    own = 0.0
    for k in range(book.n_held):
        other = int32_at(world.held, k)
        worth = staying(w, other) * holding_at(world.holdings, other).mark
        gross += abs(worth)
        net += worth
        if other == s:
            own = abs(worth)
    for k in range(book.n_entries):
        other = int32_at(world.entries, k)
        if other != s:
            holding = holding_at(world.holdings, other)
            worth = holding.entry_left * holding.entry_ref * holding.entry_side
            gross += abs(worth)
            net += worth
    for n in range(book.n_quoted):
        other = int32_at(world.quoted, n)
        if other != s:
            for k in range(2):
                worth = may_open(w, other, k) * quote_of(w, other, k).px * (1 - 2 * k)
                gross += abs(worth)
                net += worth
    return gross, net, own


@kernel
def exposure_caps(w: Any, s: Any, side: Any, px: Any, equity: Any, qty: Any, reason: Any) -> Any:
    """(units, reason) after the caps of exposure, in order; `reason` comes back if none of them cuts. Where a broker
    fills, cash is the last of them: docs/fills.md section 18."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    if settings.capped == 0:
        return qty, reason
    gross, net, own = committed(w, s)
    if not np.isnan(settings.max_gross_pct):
        room = max(equity * settings.max_gross_pct / 100.0 - gross, 0.0) / px
        if qty > room:
            qty = room
            reason = GROSS_CAP
    if not np.isnan(settings.max_net_pct):
        room = max(equity * settings.max_net_pct / 100.0 - net * side, 0.0) / px
        if qty > room:
            qty = room
            reason = NET_CAP
    if not np.isnan(settings.account_gross_cap):
        room = max(settings.account_gross_cap - (gross + settings.outside_gross), 0.0) / px
        if qty > room:
            qty = room
            reason = ACCOUNT_CAP
    if not np.isnan(settings.account_net_cap):
        room = max(settings.account_net_cap - (net + settings.outside_net) * side, 0.0) / px
        if qty > room:
            qty = room
            reason = ACCOUNT_CAP
    if not np.isnan(settings.account_symbol_cap):
        room = max(settings.account_symbol_cap - (own + holding_at(world.holdings, s).outside), 0.0) / px
        if qty > room:
            qty = room
            reason = ACCOUNT_CAP
    if settings.external == 1:
        fits = affordable(w, qty, px, spendable(w, s), feed_at(world.feed, s).lot)
        if fits < qty:
            qty = fits
            reason = NO_CASH
    return qty, reason


@kernel
def spendable(w: Any, s: Any) -> Any:
    """What an entry of s that is being decided may cost. Where a broker fills, nothing looks at cash later: what
    working entries of other symbols will cost is gone by then, what working exits will bring is there."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    free = free_cash(w)
    if settings_at(world.settings, 0).external == 0:
        return free
    for k in range(book.n_exits):
        holding = holding_at(world.holdings, int32_at(world.exits, k))
        free += holding.exit_left * holding.mark
    for k in range(book.n_entries):
        other = int32_at(world.entries, k)
        if other != s:
            holding = holding_at(world.holdings, other)
            free -= holding.entry_left * holding.entry_ref + commission_of(w, holding.entry_left, holding.entry_ref)
    return free


@kernel
def remember_close(w: Any, ts: Any, s: Any, i: Any) -> None:
    """Put the close of a decision bar of s into its ring, for correlations."""
    world = world_at(w, 0)
    holding = holding_at(world.holdings, s)
    place = s * world.recent_room + holding.recent_n % world.recent_room
    set_int64(world.recent_ts, place, ts)
    set_float(world.recent_px, place, float_at(feed_at(world.feed, s).close, i))
    holding.recent_n += 1


@kernel
def correlation(w: Any, a: Any, b: Any) -> Any:
    """Pearson's, of simple returns over the last `correlation_bars` + 1 decision times that both remember; NaN = too
    few of them, or no movement. Summed from the latest return to the first."""
    world = world_at(w, 0)
    room = world.recent_room
    bars = settings_at(world.settings, 0).correlation_bars
    at_a, at_b = holding_at(world.holdings, a).recent_n - 1, holding_at(world.holdings, b).recent_n - 1
    first_a, first_b = max(at_a + 1 - room, 0), max(at_b + 1 - room, 0)
    seen = 0
    later_a, later_b = 0.0, 0.0
    sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0
    while at_a >= first_a and at_b >= first_b and seen <= bars:
        place_a, place_b = a * room + at_a % room, b * room + at_b % room
        ts_a, ts_b = int64_at(world.recent_ts, place_a), int64_at(world.recent_ts, place_b)
        if ts_a > ts_b:
            at_a -= 1
            continue
        if ts_b > ts_a:
            at_b -= 1
            continue
        px_a, px_b = float_at(world.recent_px, place_a), float_at(world.recent_px, place_b)
        if seen > 0:
            x, y = later_a / px_a - 1.0, later_b / px_b - 1.0
            sx += x
            sy += y
            sxx += x * x
            syy += y * y
            sxy += x * y
        later_a, later_b = px_a, px_b
        seen += 1
        at_a -= 1
        at_b -= 1
    if seen <= bars:
        return np.nan
    over_x, over_y = bars * sxx - sx * sx, bars * syy - sy * sy
    if not (over_x > 0.0 and over_y > 0.0):
        return np.nan
    return (bars * sxy - sx * sy) / math.sqrt(over_x * over_y)


@kernel
def direction(w: Any, s: Any) -> Any:
    """+1 or -1: which way s is held or will be, once working orders are filled; 0 = neither."""
    holding = holding_at(world_at(w, 0).holdings, s)
    stays = staying(w, s)
    if stays != 0.0:
        return 1 if stays > 0.0 else -1
    return np.int64(holding.entry_side) if holding.entry_order >= 0 else 0


@kernel
def correlated_with(w: Any, s: Any, side: Any) -> Any:
    """How many other symbols are held, or about to be, in a way that moves with an entry of s."""
    world = world_at(w, 0)
    threshold = settings_at(world.settings, 0).correlation_threshold
    count = 0
    for other in range(world.n_symbols):
        way = direction(w, other) if other != s else 0
        if way != 0 and correlation(w, s, other) * (side * way) >= threshold:
            count += 1
    return count


@kernel
def note_entry(w: Any, ts: Any) -> None:
    """An entry was decided."""
    pace = world_at(w, 0).pace
    count = int64_at(pace, 0)
    set_int64(pace, 1 + count % PACE_ROOM, ts)
    set_int64(pace, 0, count + 1)


@kernel
def entries_of_minute(w: Any, ts: Any) -> Any:
    """Entries decided in the 60 seconds of bar time that end now; as many as are remembered at most. The legs that are
    being decided count, too."""
    pace = world_at(w, 0).pace
    count = int64_at(pace, 0)
    found = 0
    while found < min(count, PACE_ROOM) and int64_at(pace, 1 + (count - 1 - found) % PACE_ROOM) > ts - PACE_NS:
        found += 1
    return found + max(world_at(w, 0).n_legs, 0)


@kernel
def bars_since_exit(w: Any, s: Any, i: Any) -> Any:
    """Decision bars of s that have closed since its last position was; 0 while one is being exited."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if holding.exit_order >= 0 and holding.exit_whole == 1:
        return 0
    return closed_bars(w, s, i) - holding.exit_clock


@kernel
def distance_pct(px: Any, other: Any) -> Any:
    return abs(px - other) / other * 100.0


@kernel
def collar_distance(w: Any, s: Any, i: Any, limit_px: Any, stop_px: Any) -> Any:
    """The farthest, in percent: the order's prices (NaN = none) from the close, the close from the one before."""
    feed = feed_at(world_at(w, 0).feed, s)
    close = float_at(feed.close, i)
    farthest = 0.0
    if i > 0:
        farthest = distance_pct(close, float_at(feed.close, i - 1))
    for px in (limit_px, stop_px):
        if not np.isnan(px):
            farthest = max(farthest, distance_pct(px, close))
    return farthest
