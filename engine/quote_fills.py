"""Quotes in one bar: which side fills first, and how its fill nets against the position. docs/fills.md section 17.

`t` is the step, `ts` its time, `s` a symbol, `i` its bar; k: 0 = the bid, 1 = the ask.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import affordable, book_exit, book_opening, commission_of, exit_fee, free_cash, volume_left
from engine.clock import bar_of, closed_bars
from engine.memory import (
    book_at,
    feed_at,
    float_at,
    holding_at,
    int32_at,
    kernel,
    order_at,
    set_int32,
    settings_at,
    world_at,
)
from engine.quotes import deny_quote, end_quote, quote_of
from engine.types import BY_QUOTE, CANCELLED, DENIED, FILLED, NO_CASH, NO_SLOT


@kernel
def is_reached(w: Any, ts: Any, s: Any, k: Any, px: Any) -> Any:
    """Whether that quote works, is live, and would fill at px. It waits while an exit order of s works."""
    quote = quote_of(w, s, k)
    if quote.order < 0 or ts < quote.live_ns or holding_at(world_at(w, 0).holdings, s).exit_order >= 0:
        return False
    return px <= quote.px if k == 0 else px >= quote.px


@kernel
def list_quoted(w: Any) -> Any:
    """Copy the list of quoted symbols, which fills change, into the scratch list; how many."""
    world = world_at(w, 0)
    count = book_at(world.book, 0).n_quoted
    for k in range(count):
        set_int32(world.walk, k, int32_at(world.quoted, k))
    return count


@kernel
def fill_quotes(w: Any, t: Any, ts: Any, inside: Any) -> None:
    """Phase 3, after the entries: what the open reaches; inside: phase 5, what the range reaches, where of both sides
    the one nearer to the open comes first."""
    world = world_at(w, 0)
    for n in range(list_quoted(w)):
        s = int32_at(world.walk, n)
        i = bar_of(w, t, s)
        if i < 0:
            continue
        feed = feed_at(world.feed, s)
        holding = holding_at(world.holdings, s)
        open_px = float_at(feed.open, i)
        first = 1 if abs(quote_of(w, s, 1).px - open_px) < abs(open_px - quote_of(w, s, 0).px) else 0
        sides = 0
        for turn in range(2):
            k = first if turn == 0 else 1 - first
            extreme = open_px
            if inside:
                extreme = float_at(feed.low, i) if k == 0 else float_at(feed.high, i)
            if not is_reached(w, ts, s, k, extreme):
                continue
            side = 1 - 2 * k
            was_there = holding.qty * side > 0.0
            if fill_quote(w, t, ts, s, i, k, quote_of(w, s, k).px if inside else open_px):
                sides += 1
            if inside and holding.qty * side > 0.0 and not was_there:
                holding.opened_inside = t
                holding.opened_by_limit = 1
        if sides == 2:
            book_at(world.book, 0).ambiguous_bars += 1


@kernel
def fill_quote(w: Any, t: Any, ts: Any, s: Any, i: Any, k: Any, px: Any) -> Any:
    """Fill as much of that quote as position, volume, slots and cash allow; whether anything was filled."""
    side = 1 - 2 * k
    holding = holding_at(world_at(w, 0).holdings, s)
    quote = quote_of(w, s, k)
    filled = False
    if holding.qty * side < 0.0:
        take = min(min(quote.left, abs(holding.qty)), volume_left(w, t, s, i))
        if take <= 0.0:
            return False
        quote.left = quote.left - take
        fee, clock = exit_fee(w, s, take, px), closed_bars(w, s, i - 1)
        book_exit(w, t, ts, s, quote.order, take, px, px, fee, BY_QUOTE, clock, quote.left)
        filled = True
        if quote.left == 0.0:
            end_quote(w, ts, s, k, FILLED)
            return True
        if holding.qty != 0.0:
            return True
    return open_by_quote(w, t, ts, s, i, k, px) or filled


@kernel
def open_by_quote(w: Any, t: Any, ts: Any, s: Any, i: Any, k: Any, px: Any) -> Any:
    """The part of a quote's fill that opens or adds; whether there is one."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    holding = holding_at(world.holdings, s)
    quote = quote_of(w, s, k)
    want = min(quote.left, quote.opens)
    if want <= 0.0:
        return False
    if holding.qty == 0.0 and settings.max_open > 0 and book.n_held >= settings.max_open:
        refuse_quote(w, ts, s, k, NO_SLOT, want)
        return False
    take = min(want, volume_left(w, t, s, i))
    if take <= 0.0 or (take < want and settings.partial_fills == 0):
        return False
    fits = affordable(w, take, px, free_cash(w), feed_at(world.feed, s).lot)
    if fits <= 0.0:
        refuse_quote(w, ts, s, k, NO_CASH, take)
        return False
    if fits < take:
        deny_quote(w, ts, s, k, NO_CASH, take, fits, quote.order)
        order = order_at(world.orders, quote.order)
        order.qty = order.filled + fits
        quote.left = fits
        quote.opens = fits
    quote.left = quote.left - fits
    quote.opens = quote.opens - fits
    if holding.qty == 0.0:
        take_rules_of_now(w, s)
    side = 1 - 2 * k
    clock = closed_bars(w, s, i - 1)
    fee = commission_of(w, fits, px)
    book_opening(w, t, ts, s, side, quote.order, fits, px, px, fee, np.nan, BY_QUOTE, clock, quote.left)
    if quote.left == 0.0:
        end_quote(w, ts, s, k, FILLED)
    return True


@kernel
def take_rules_of_now(w: Any, s: Any) -> None:
    """A position that a quote opens has the stops, target and longest holding of the rules at that fill."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    holding = holding_at(world.holdings, s)
    holding.stop_pct = settings.stop_loss_pct
    holding.target_pct = settings.take_profit_pct
    holding.trail_pct = settings.trailing_stop_pct
    holding.vol_stop = settings.vol_stop_atr * holding.atr
    holding.longest = settings.max_holding


@kernel
def refuse_quote(w: Any, ts: Any, s: Any, k: Any, reason: Any, asked: Any) -> None:
    """A quote ends at its fill, with a denial that names it."""
    order = quote_of(w, s, k).order
    filled = order_at(world_at(w, 0).orders, order).filled
    deny_quote(w, ts, s, k, reason, asked, 0.0, order)
    end_quote(w, ts, s, k, CANCELLED if filled > 0.0 else DENIED)


@kernel
def trim_quotes(w: Any, t: Any, ts: Any) -> None:
    """Phase 9: no quote is larger than what it could close and open, and one that could do neither is cancelled."""
    world = world_at(w, 0)
    for n in range(list_quoted(w)):
        s = int32_at(world.walk, n)
        if bar_of(w, t, s) < 0:
            continue
        qty = holding_at(world.holdings, s).qty
        for k in range(2):
            quote = quote_of(w, s, k)
            if quote.order < 0:
                continue
            useful = quote.opens
            if qty * (1 - 2 * k) < 0.0:
                useful = abs(qty) + quote.opens
            if useful <= 0.0:
                end_quote(w, ts, s, k, CANCELLED)
            elif quote.left > useful:
                order = order_at(world.orders, quote.order)
                order.qty = order.filled + useful
                order.done_ts = ts
                quote.left = useful
