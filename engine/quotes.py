"""The two quotes of a symbol: resting limit orders on both sides, which net against its position. docs/fills.md §17.

k: 0 = the bid, 1 = the ask. Every function takes the address of the WORLD record first; `ts`: of the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.memory import book_at, holding_at, int32_at, kernel, order_at, quote_at, world_at
from engine.orders import deny, insert, live_from, new_order, remove
from engine.types import BY_QUOTE, CANCELLED, GTC, LIMIT


@kernel
def quote_of(w: Any, s: Any, k: Any) -> Any:
    return quote_at(world_at(w, 0).quotes, 2 * s + k)


@kernel
def place_quote(w: Any, ts: Any, s: Any, k: Any, px: Any, qty: Any, opens: Any, confidence: Any) -> Any:
    """An order for `qty` units, of which `opens` may open or add. Its index. The side must be free."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    entry = 1 if opens > 0.0 else 0
    order = new_order(w, ts, s, 1 - 2 * k, LIMIT, GTC, BY_QUOTE, qty, px, np.nan, confidence, entry)
    if quote_of(w, s, 1 - k).order < 0:
        insert(world.quoted, book.n_quoted, s)
        book.n_quoted += 1
    quote = quote_of(w, s, k)
    quote.order = order
    quote.px = px
    quote.left = qty
    quote.opens = opens
    quote.live_ns = live_from(w, ts)
    return order


@kernel
def end_quote(w: Any, ts: Any, s: Any, k: Any, status: Any) -> None:
    """The working quote of that side ends with this status."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    quote = quote_of(w, s, k)
    order = order_at(world.orders, quote.order)
    order.status = status
    order.done_ts = ts
    quote.order = -1
    if quote_of(w, s, 1 - k).order < 0:
        remove(world.quoted, book.n_quoted, s)
        book.n_quoted -= 1


@kernel
def withdraw(w: Any, ts: Any, s: Any) -> None:
    """Both quotes of s, where they work, are cancelled."""
    for k in range(2):
        if quote_of(w, s, k).order >= 0:
            end_quote(w, ts, s, k, CANCELLED)


@kernel
def withdraw_all(w: Any, ts: Any) -> None:
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    while book.n_quoted > 0:
        withdraw(w, ts, int32_at(world.quoted, 0))


@kernel
def may_open(w: Any, s: Any, k: Any) -> Any:
    """Units that the working quote of that side may still open."""
    quote = quote_of(w, s, k)
    return min(quote.left, quote.opens) if quote.order >= 0 else 0.0


@kernel
def quotes_open(w: Any, s: Any) -> Any:
    """Whether a working quote of s may open a position."""
    if book_at(world_at(w, 0).book, 0).n_quoted == 0:
        return False
    return may_open(w, s, 0) > 0.0 or may_open(w, s, 1) > 0.0


@kernel
def deny_quote(w: Any, ts: Any, s: Any, k: Any, reason: Any, asked: Any, allowed: Any, order: Any) -> None:
    """As `deny`; repetitions are counted side by side, as both sides are often refused in turn."""
    holding = holding_at(world_at(w, 0).holdings, s)
    quote = quote_of(w, s, k)
    of_signals = holding.last_denial
    holding.last_denial = quote.last_denial
    deny(w, ts, s, 1 - 2 * k, reason, asked, allowed, order)
    quote.last_denial = holding.last_denial
    holding.last_denial = of_signals
