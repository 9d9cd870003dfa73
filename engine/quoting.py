"""What a row that states quotes leaves resting: the end of phase 11, docs/fills.md section 17. k: 0 = bid, 1 = ask."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import affordable, free_cash, round_down, value_of
from engine.candidates import column_at, confidence_at
from engine.gates import gate, slots_in_use
from engine.guards import note_entry, staying
from engine.memory import book_at, feed_at, holding_at, kernel, settings_at, world_at
from engine.quotes import deny_quote, end_quote, place_quote, quote_of
from engine.sizing import UNCUT, capped
from engine.types import CANCELLED, NO_CASH, NO_EQUITY, SIZE_ZERO


@kernel
def state_quotes(w: Any, ts: Any, s: Any, i: Any) -> None:
    """The quotes of s are what its row i says; what is the same already rests on."""
    feed = feed_at(world_at(w, 0).feed, s)
    qty = round_down(feed.lot, column_at(feed.quote_qty, i))
    for k in range(2):
        state_side(w, ts, s, i, k, column_at(feed.bid_px if k == 0 else feed.ask_px, i), qty)


@kernel
def state_side(w: Any, ts: Any, s: Any, i: Any, k: Any, px: Any, qty: Any) -> None:
    """One side: a price (NaN = none) and units (0 = none)."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    side = 1 - 2 * k
    stays = staying(w, s)
    closing = min(qty, abs(stays)) if stays * side < 0.0 else 0.0
    wanted = qty - closing if side > 0 or settings.allow_short == 1 else 0.0
    opening = wanted
    reason = UNCUT
    if np.isnan(px):
        closing = opening = 0.0
    elif opening > 0.0:
        resting = rests(w, s, k, px, closing + opening, opening)
        opening, reason = allowed_opening(w, ts, s, i, k, px, wanted, resting)
    whole = closing + opening
    if rests(w, s, k, px, whole, opening):
        return
    if quote_of(w, s, k).order >= 0:
        end_quote(w, ts, s, k, CANCELLED)
    if whole <= 0.0:
        return
    order = place_quote(w, ts, s, k, px, whole, opening, confidence_at(w, s, i))
    if opening > 0.0:
        if settings.track_pace == 1:
            note_entry(w, ts)
        if reason != UNCUT:
            deny_quote(w, ts, s, k, reason, wanted, opening, order)


@kernel
def rests(w: Any, s: Any, k: Any, px: Any, whole: Any, opening: Any) -> Any:
    """Whether the working quote of that side is as it would be placed now."""
    quote = quote_of(w, s, k)
    return quote.order >= 0 and quote.px == px and quote.left == whole and quote.opens >= opening


@kernel
def allowed_opening(w: Any, ts: Any, s: Any, i: Any, k: Any, px: Any, wanted: Any, resting: Any) -> Any:
    """(units, the last cap that cut or UNCUT): what gates, caps and cash leave of the part that opens or adds. A
    refusal is written down here, units are 0 then. resting: all of it rests already, and no cap is asked again."""
    world = world_at(w, 0)
    side = 1 - 2 * k
    used = slots_in_use(w) if settings_at(world.settings, 0).max_open > 0 else 0
    refusal = gate(w, ts, s, i, side, confidence_at(w, s, i), False, used, px, resting)
    if refusal >= 0:
        deny_quote(w, ts, s, k, refusal, np.nan, 0.0, -1)
        return 0.0, UNCUT
    if resting:
        return wanted, UNCUT
    equity = book_at(world.book, 0).cash + value_of(w)
    if not equity > 0.0:
        deny_quote(w, ts, s, k, NO_EQUITY, np.nan, 0.0, -1)
        return 0.0, UNCUT
    held = holding_at(world.holdings, s).qty * side
    qty, reason = capped(w, s, side, px, equity, wanted, max(held, 0.0))
    lot = feed_at(world.feed, s).lot
    qty = round_down(lot, qty)
    if qty > 0.0:
        fits = affordable(w, qty, px, free_cash(w), lot)
        if fits < qty:
            qty = fits
            reason = NO_CASH
    if qty > 0.0:
        return qty, reason
    deny_quote(w, ts, s, k, SIZE_ZERO if reason == UNCUT else reason, wanted, 0.0, -1)
    return 0.0, UNCUT
