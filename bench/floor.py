"""The bare fused loops that the engine is measured against: the same answer, and nothing else.

SMA crossing, entries at the next open, stop, target, proportional slippage, percentage sizing in whole shares, a row of
equity at each close, the trade log, and what the metrics need of each bar (daily marks, drawdown with its dates, time
in the market, turnover): in one pass, for these rules only, as tight as we can write it. No other order type, no
session, no limit, no order log, no reason for a refusal. `tests/bench` holds trades, equity and every metric equal to
the engine's, so that both are known to have done the same work.
"""

from __future__ import annotations

from math import floor, inf, nan
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from bench.work import Work
from engine import metrics
from engine.types import BOOK, DAILY, EQUITY, NANOS_PER_DAY, ROUND_TRIP, Records

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Answer = tuple[Records, Records, dict[str, Any]]


def run_one(ts: Ints, columns: tuple[Floats, ...], work: Work) -> Answer:
    """EQUITY rows, ROUND_TRIP records and all metrics of one symbol. `columns`: open, high, low, close."""
    return _run(_one, ts, columns, work, len(ts) // 2 + 1)


def run_many(ts: Ints, columns: tuple[Floats, ...], work: Work) -> Answer:
    """As `run_one` for many symbols on one cash account; every column of shape (n, symbols), so that the symbols of
    one time lie side by side."""
    return _run(_many, ts, columns, work, len(ts) * columns[0].shape[1] // 8 + 1)


def _run(loop: Any, ts: Ints, columns: tuple[Floats, ...], work: Work, most_trades: int) -> Answer:
    equity, trades = np.empty(len(ts), dtype=EQUITY), np.empty(most_trades, dtype=ROUND_TRIP)
    daily = np.empty(int(ts[-1] // NANOS_PER_DAY - ts[0] // NANOS_PER_DAY) + 1, dtype=DAILY)
    book = np.zeros(1, dtype=BOOK)
    used, days = loop(ts, *columns, *work.floor_arguments(), equity, trades, daily, book)
    return equity, trades[:used], metrics.compute(book, daily[:days], trades[:used])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _log(trades, used, symbol, entered, ts, bars, qty, entry_px, exit_px, slip_paid):
    trade = trades[used]
    trade.symbol, trade.side, trade.qty = symbol, 1, qty
    trade.entry_ts, trade.exit_ts, trade.bars = entered, ts, bars
    trade.entry_px, trade.exit_px = entry_px, exit_px
    trade.pnl_net = -(qty * entry_px) + qty * exit_px
    trade.commission, trade.slippage = 0.0, slip_paid


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _finish(book, start, worth, top, first_ts, last_ts, steps, invested, exposed, bought, sold, slipped, fall):
    book.starting_cash, book.equity, book.top_equity = start, worth, top
    book.first_ts, book.last_ts, book.steps = first_ts, last_ts, steps
    book.steps_invested, book.exposure_sum = invested, exposed
    book.bought, book.sold, book.slippage = bought, sold, slipped
    book.max_drawdown, book.max_drawdown_top_ts, book.max_drawdown_low_ts, book.max_drawdown_end_ts = fall[:4]
    book.longest_under_ns = fall[4]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _one(
    ts, open_, high, low, close, fast, slow, stop_pct, target_pct, slip, size_pct, cash, equity, trades, daily, book
):
    n, start = len(close), cash
    fast_sum = slow_sum = 0.0
    fast_before = slow_before = nan
    qty = wanted = entry_px = paid = 0.0
    stop, target = -inf, inf
    entered = held = used = days = invested = 0
    leaving = False
    bought = sold = slipped = exposed = 0.0
    top, top_ts, worst = cash, ts[0], 0.0
    worst_top = worst_low = worst_end = longest = 0
    day_end = 0
    for i in range(n):
        o, c, now = open_[i], close[i], ts[i]
        if wanted > 0.0:
            px = o * (1.0 + slip)
            if wanted * px > cash:
                wanted = floor(cash / px)
            if wanted > 0.0:
                qty, entry_px, entered, held = wanted, px, now, 0
                cash = cash - qty * px
                bought += qty * px
                paid = (px - o) * qty
                stop, target = px - px * stop_pct / 100.0, px + px * target_pct / 100.0
            wanted = 0.0
        if qty > 0.0:
            base = out = 0.0
            if leaving:
                base = o
                out = o * (1.0 - slip)
            elif low[i] <= stop and (o < target or held == 0):
                base = min(o, stop)
                out = base * (1.0 - slip)
            elif high[i] >= target:
                base = out = max(o, target)
            if out > 0.0:
                cash = cash + qty * out
                sold += qty * out
                lost = (base - out) * qty
                slipped += paid + lost
                _log(trades, used, 0, entered, now, held, qty, entry_px, out, paid + lost)
                used += 1
                qty = 0.0
                stop, target = -inf, inf
        leaving = False
        exposure = qty * c
        worth = cash + exposure
        row = equity[i]
        row.ts, row.equity, row.cash, row.exposure = now, worth, cash, exposure
        if now >= day_end:
            daily[days].date = now // NANOS_PER_DAY
            day_end = (now // NANOS_PER_DAY + 1) * NANOS_PER_DAY
            days += 1
        daily[days - 1].equity = worth
        if exposure > 0.0:
            held += 1
            invested += 1
            exposed += exposure / worth
        if worth >= top:
            if worst_end == -1 and worst > 0.0:
                worst_end = now
            top, top_ts = worth, now
        else:
            fall = (top - worth) / top
            if fall > worst:
                worst, worst_top, worst_low, worst_end = fall, top_ts, now, -1
            longest = max(longest, now - top_ts)
        # The averages as TA-Lib sums them: add the new, divide, take away the oldest.
        fast_sum += c
        slow_sum += c
        fast_now = slow_now = nan
        if i >= slow - 1:
            fast_now = fast_sum / fast
            slow_now = slow_sum / slow
            slow_sum -= close[i - slow + 1]
        if i >= fast - 1:
            fast_sum -= close[i - fast + 1]
        if fast_now > slow_now and fast_before <= slow_before:
            if qty == 0.0:
                wanted = floor(worth * size_pct / 100.0 / c)
        elif fast_now < slow_now and fast_before >= slow_before:
            leaving = qty > 0.0
        fast_before, slow_before = fast_now, slow_now
    drawdown = (worst, worst_top, worst_low, worst_end, longest)
    _finish(
        book[0],
        start,
        worth,
        top,
        ts[0],
        now,
        n,
        invested,
        exposed,
        bought,
        sold,
        slipped + paid * (qty > 0.0),
        drawdown,
    )
    return used, days


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _many(
    ts, open_, high, low, close, fast, slow, stop_pct, target_pct, slip, size_pct, cash, equity, trades, daily, book
):
    n, symbols = close.shape
    start = cash
    fast_sum, slow_sum = np.zeros(symbols), np.zeros(symbols)
    above = np.zeros(symbols, dtype=np.int8)  # 1: fast above slow, -1: below, 0: equal
    signal = np.zeros(symbols, dtype=np.int8)
    qty, wanted, entry_px, paid = np.zeros(symbols), np.zeros(symbols), np.zeros(symbols), np.zeros(symbols)
    stop, target = np.zeros(symbols), np.zeros(symbols)
    entered, held = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.int64)
    leaving = np.zeros(symbols, dtype=np.bool_)
    used = days = invested = 0
    bought = sold = slipped = exposed = 0.0
    top, top_ts, worst = cash, ts[0], 0.0
    worst_top = worst_low = worst_end = longest = 0
    day_end = 0
    for i in range(n):
        now = ts[i]
        # All symbols share the cash: exits at the open, then entries at the open, then exits inside the bar.
        for s in range(symbols):
            if qty[s] > 0.0:
                o = open_[i, s]
                base = out = 0.0
                if leaving[s] or o <= stop[s]:
                    base = o
                    out = o * (1.0 - slip)
                elif o >= target[s]:
                    base = out = o
                if out > 0.0:
                    cash = cash + qty[s] * out
                    sold += qty[s] * out
                    lost = (base - out) * qty[s]
                    slipped += paid[s] + lost
                    _log(trades, used, s, entered[s], now, held[s], qty[s], entry_px[s], out, paid[s] + lost)
                    used += 1
                    qty[s] = 0.0
                leaving[s] = False
        for s in range(symbols):
            if wanted[s] > 0.0:
                px = open_[i, s] * (1.0 + slip)
                if wanted[s] * px > cash:
                    wanted[s] = floor(cash / px)
                if wanted[s] > 0.0:
                    qty[s], entry_px[s], entered[s], held[s] = wanted[s], px, now, 0
                    cash = cash - qty[s] * px
                    bought += qty[s] * px
                    paid[s] = (px - open_[i, s]) * qty[s]
                    stop[s], target[s] = px - px * stop_pct / 100.0, px + px * target_pct / 100.0
                wanted[s] = 0.0
        exposure = 0.0
        for s in range(symbols):
            c = close[i, s]
            if qty[s] > 0.0:
                base = out = 0.0
                if low[i, s] <= stop[s]:
                    base = min(open_[i, s], stop[s])
                    out = base * (1.0 - slip)
                elif high[i, s] >= target[s]:
                    base = out = max(open_[i, s], target[s])
                if out > 0.0:
                    cash = cash + qty[s] * out
                    sold += qty[s] * out
                    lost = (base - out) * qty[s]
                    slipped += paid[s] + lost
                    _log(trades, used, s, entered[s], now, held[s], qty[s], entry_px[s], out, paid[s] + lost)
                    used += 1
                    qty[s] = 0.0
                else:
                    exposure += qty[s] * c
                    held[s] += 1
            fast_sum[s] += c
            slow_sum[s] += c
            signal[s] = 0
            if i >= slow - 1:
                fast_now, slow_now = fast_sum[s] / fast, slow_sum[s] / slow
                slow_sum[s] -= close[i - slow + 1, s]
                state = 1 if fast_now > slow_now else (-1 if fast_now < slow_now else 0)
                if state != above[s]:
                    signal[s] = state if i >= slow else 0
                    above[s] = state
            if i >= fast - 1:
                fast_sum[s] -= close[i - fast + 1, s]
        worth = cash + exposure
        for s in range(symbols):
            if signal[s] > 0:
                if qty[s] == 0.0:
                    wanted[s] = floor(worth * size_pct / 100.0 / close[i, s])
            elif signal[s] < 0:
                leaving[s] = qty[s] > 0.0
        row = equity[i]
        row.ts, row.equity, row.cash, row.exposure = now, worth, cash, exposure
        if now >= day_end:
            daily[days].date = now // NANOS_PER_DAY
            day_end = (now // NANOS_PER_DAY + 1) * NANOS_PER_DAY
            days += 1
        daily[days - 1].equity = worth
        if exposure > 0.0:
            invested += 1
            exposed += exposure / worth
        if worth >= top:
            if worst_end == -1 and worst > 0.0:
                worst_end = now
            top, top_ts = worth, now
        else:
            fall = (top - worth) / top
            if fall > worst:
                worst, worst_top, worst_low, worst_end = fall, top_ts, now, -1
            longest = max(longest, now - top_ts)
    for s in range(symbols):
        if qty[s] > 0.0:
            slipped += paid[s]
    drawdown = (worst, worst_top, worst_low, worst_end, longest)
    _finish(book[0], start, worth, top, ts[0], now, n, invested, exposed, bought, sold, slipped, drawdown)
    return used, days
