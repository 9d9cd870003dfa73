"""Exits that limits demand at a bar's close: phases 0 and 10 of docs/fills.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.booking import value_of
from engine.clock import bar_of, closed_bars, session_bits
from engine.memory import book_at, feed_at, holding_at, int32_at, kernel, settings_at, world_at
from engine.orders import end_entry, end_exit, place_exit
from engine.quotes import withdraw, withdraw_all
from engine.types import (
    BY_DAILY_LOSS,
    BY_MAX_DRAWDOWN,
    BY_MAX_HOLDING,
    BY_SESSION_END,
    CANCELLED,
    CLS,
    GTC,
    NANOS_PER_DAY,
    OPG,
    SESSION_CLOSING,
)


@kernel
def portfolio_day(w: Any, t: Any, ts: Any) -> Any:
    """The exchange's trading day if all symbols share a calendar, else the UTC date; days since 1970-01-01."""
    world = world_at(w, 0)
    if settings_at(world.settings, 0).one_calendar == 1:
        for s in range(world.n_symbols):
            i = bar_of(w, t, s)
            if i >= 0:
                return np.int64(int32_at(feed_at(world.feed, s).day, i))
    return ts // NANOS_PER_DAY


@kernel
def begin_day(w: Any, t: Any, ts: Any) -> None:
    """Phase 0: at the first step of a new portfolio day the daily loss limit starts afresh."""
    book = book_at(world_at(w, 0).book, 0)
    day = portfolio_day(w, t, ts)
    if day != book.portfolio_day:
        book.portfolio_day = day
        book.day_start_equity = book.equity
        book.day_halted = 0


@kernel
def exit_whole(w: Any, ts: Any, s: Any, reason: Any) -> None:
    """A MARKET exit for all of s, unless one is working; it takes the place of a waiting OPG or CLS or partial exit."""
    holding = holding_at(world_at(w, 0).holdings, s)
    if holding.exit_order >= 0:
        if holding.exit_whole == 1 and holding.exit_tif != OPG and holding.exit_tif != CLS:
            return
        end_exit(w, ts, s, CANCELLED)
    place_exit(w, ts, s, abs(holding.qty), reason, GTC)


@kernel
def exit_all(w: Any, ts: Any, reason: Any) -> None:
    """All working entries and quotes are cancelled, every position is sold out at market."""
    world = world_at(w, 0)
    book = book_at(world.book, 0)
    while book.n_entries > 0:
        end_entry(w, ts, int32_at(world.entries, 0), CANCELLED)
    withdraw_all(w, ts)
    for k in range(book.n_held):
        exit_whole(w, ts, int32_at(world.held, k), reason)


@kernel
def flatten(w: Any, t: Any, ts: Any) -> None:
    """Symbols whose session is about to end are sold out, their entries cancelled."""
    world = world_at(w, 0)
    for s in range(world.n_symbols):
        i = bar_of(w, t, s)
        if i >= 0 and session_bits(w, s, i) & SESSION_CLOSING:
            holding = holding_at(world.holdings, s)
            if holding.entry_order >= 0:
                end_entry(w, ts, s, CANCELLED)
            withdraw(w, ts, s)
            if holding.qty != 0.0:
                exit_whole(w, ts, s, BY_SESSION_END)


@kernel
def protect(w: Any, t: Any, ts: Any) -> None:
    """Phase 10."""
    world = world_at(w, 0)
    settings = settings_at(world.settings, 0)
    book = book_at(world.book, 0)
    if settings.timed == 1:
        for k in range(book.n_held):
            s = int32_at(world.held, k)
            i = bar_of(w, t, s)
            holding = holding_at(world.holdings, s)
            if i >= 0 and 0 < holding.longest <= closed_bars(w, s, i) - holding.entry_clock:
                exit_whole(w, ts, s, BY_MAX_HOLDING)
    equity = book.cash + value_of(w)
    loss = book.day_start_equity - equity
    if book.day_halted == 0 and loss > 0.0:
        by_pct = loss >= book.day_start_equity * settings.daily_loss_pct / 100.0
        if by_pct or loss >= settings.daily_loss_abs:  # NaN = off: the comparison is false
            book.day_halted = 1
            exit_all(w, ts, BY_DAILY_LOSS)
    drop = book.top_equity - equity
    if book.run_halted == 0 and drop > 0.0 and drop >= book.top_equity * settings.max_drawdown_pct / 100.0:
        book.run_halted = 1
        exit_all(w, ts, BY_MAX_DRAWDOWN)
    if settings.flatten == 1:
        flatten(w, t, ts)
