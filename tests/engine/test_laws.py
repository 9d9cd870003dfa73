"""Laws that hold for every run, whatever its bars, signals, rules and costs (DESIGN section 2)."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Bars, Result, simulate, simulate_many
from engine.resample import last_fine_bar
from engine.types import REASON_NAMES
from tests.engine.cases import Case, cases, finer_cases, tried
from tests.engine.test_parity import assert_same, step_by_step

EXAMPLES = 60


def run(case: Case, **changes: Any) -> Result:
    return simulate(case.bars, case.signals, **(case.arguments() | changes))


def signed(fill: np.void) -> float:
    return float(fill["side"]) * float(fill["qty"])


def bar_at(bars: Bars, ts: int) -> int:
    row = int(np.searchsorted(bars.ts, ts))
    assert bars.ts[row] == ts
    return row


def by_step(result: Result) -> dict[int, list[np.void]]:
    """The fills of each step. Those of `close_at_end` bear the time of their symbol's last bar, but are of the last."""
    flows = defaultdict(list)
    for fill in result.fills:
        at_end = REASON_NAMES[fill["reason"]] == "end"
        flows[int(result.equity["ts"][-1] if at_end else fill["ts"])].append(fill)
    return flows


def traded_bars(case: Case) -> list[Bars]:
    """The bars that orders met, in the order of the symbol numbers in the logs."""
    lines = case.match_bars or case.bars
    return [lines[name] for name in sorted(lines)]


@pytest.mark.row("J13")
@tried(EXAMPLES)
@given(case=cases() | finer_cases())
def test_cash_is_conserved(case):
    """Cash is the starting cash and the flows of the fills, in their order, to the last bit; without shorting it is
    never below zero."""
    result = run(case)
    cash, seen = case.cash, 0
    flows = by_step(result)
    for row in result.equity:
        for fill in flows[int(row["ts"])]:
            notional = float(fill["qty"]) * float(fill["px"])
            fee = float(fill["commission"])
            cash = cash - (notional + fee) if fill["side"] > 0 else cash + (notional - fee)
            seen += 1
        late = (
            row["ts"] == result.equity["ts"][-1] and case.rules.close_at_end
        )  # those fills bear their last bar's time
        assert late or row["cash"] == cash
        if not case.rules.allow_short:
            assert row["cash"] >= 0.0
    assert seen == len(result.fills)


@tried(EXAMPLES)
@given(case=cases() | finer_cases())
def test_positions_are_the_sum_of_fills_and_equity_is_cash_plus_positions(case):
    result, lines = run(case), traded_bars(case)
    held = dict.fromkeys(range(len(lines)), 0.0)
    marks = dict.fromkeys(range(len(lines)), 0.0)
    flows = by_step(result)
    for row in result.equity:
        for fill in flows[int(row["ts"])]:
            held[fill["symbol"]] += signed(fill)
        for symbol, bars in enumerate(lines):
            place = int(np.searchsorted(bars.ts, row["ts"]))
            if place < len(bars) and bars.ts[place] == row["ts"]:
                marks[symbol] = float(bars.close[place])
        worth = sum(held[s] * marks[s] for s in held)
        scale = max(1.0, sum(abs(held[s] * marks[s]) for s in held), abs(row["cash"]))
        assert row["equity"] == pytest.approx(row["cash"] + worth, abs=1e-9 * scale)
        assert row["exposure"] == pytest.approx(sum(abs(held[s] * marks[s]) for s in held), abs=1e-9 * scale)
    left = {int(p["symbol"]): float(p["side"]) * float(p["qty"]) for p in result.open_positions}
    for symbol, qty in held.items():
        assert left.get(symbol, 0.0) == pytest.approx(qty, abs=1e-9 * max(1.0, abs(qty)))


@tried(EXAMPLES)
@given(case=cases() | finer_cases())
def test_every_fill_lies_inside_its_bar_and_slips_against_you(case):
    result, lines = run(case), traded_bars(case)
    for fill in result.fills:
        bars = lines[fill["symbol"]]
        row = bar_at(bars, int(fill["ts"]))
        assert fill["slippage"] >= 0.0
        base = fill["px"] - fill["slippage"] * fill["side"]
        rounding = 1e-9 * bars.high[row]
        assert bars.low[row] - rounding <= base <= bars.high[row] + rounding
        if case.costs.slippage == "none":
            assert bars.low[row] <= fill["px"] <= bars.high[row]


@tried(EXAMPLES)
@given(case=cases() | finer_cases())
def test_round_trips_add_up(case):
    """Net profit is what the sale brought less what the purchase cost; all of it is in the equity."""
    result = run(case)
    for trip in result.positions:
        gross = float(trip["side"]) * float(trip["qty"]) * (float(trip["exit_px"]) - float(trip["entry_px"]))
        scale = float(trip["qty"]) * float(trip["entry_px"])
        assert trip["pnl_net"] == pytest.approx(gross - float(trip["commission"]), abs=1e-9 * max(1.0, scale))
        assert trip["exit_ts"] >= trip["entry_ts"]
    if not len(result.open_positions):
        gained = float(result.book["cash"][0]) - case.cash
        assert sum(result.positions["pnl_net"].tolist()) == pytest.approx(gained, abs=1e-6)


@tried(EXAMPLES * 2)
@given(case=cases() | finer_cases(), share=st.floats(0.1, 0.9), seed=st.integers(0, 99))
def test_the_future_changes_nothing_past(case, share, seed):
    """Cut the bars off at any time, or put others in their place: all that happened before stays as it was."""
    case = case.with_rules(close_at_end=False)
    lines = case.match_bars or case.bars
    times = np.unique(np.concatenate([bars.ts for bars in lines.values()]))
    # Every symbol has its first bar, and its first decision, before the cut: how many symbols there are is known.
    first = [int(lines[name].ts[decided_at(case, name)[0]]) for name in lines]
    cut = max(int(times[int(share * (len(times) - 1))]), *first)
    whole = run(case)
    for other in (truncated(case, cut, times), altered(case, cut, seed)):
        if other is None:
            continue
        part = run(other)
        for log, fields in {
            "fills": None,
            "equity": None,
            "orders": ["ts", "symbol", "side", "kind", "tif", "reason", "entry", "limit_px", "stop_px"],
            "denials": ["ts", "symbol", "side", "reason", "asked", "allowed"],
        }.items():
            ours, theirs = (np.asarray(getattr(r, log)) for r in (whole, part))
            ours, theirs = ours[ours["ts"] <= cut], theirs[theirs["ts"] <= cut]
            for field in fields or ours.dtype.names:
                assert np.array_equal(ours[field], theirs[field], equal_nan=ours[field].dtype.kind == "f"), (log, field)


def truncated(case: Case, cut: int, times: np.ndarray) -> Case:
    window = case.rules.window
    rules = replace(case.rules, window=None if window is None else window[times <= cut])
    lines = case.match_bars or case.bars
    match_bars = case.match_bars and {name: b.between(None, cut + 1) for name, b in case.match_bars.items()}
    known = {name: lines[name].ts[decided_at(case, name)] <= cut for name in case.bars}
    bars = {name: b[: int(known[name].sum())] for name, b in case.bars.items()}
    signals = {name: case.signals[name][: len(bars[name])] for name in bars}
    return replace(case, rules=rules, bars=bars, signals=signals, match_bars=match_bars)


def decided_at(case: Case, name: str) -> np.ndarray:
    """For each decision bar the row of the traded bar at whose close its signal is acted upon."""
    if case.match_bars is None:
        return np.arange(len(case.bars[name]))
    return last_fine_bar(case.bars[name], case.match_bars[name])


def altered(case: Case, cut: int, seed: int) -> Case | None:
    """The same times with other prices and signals after the cut."""
    if case.match_bars is not None:
        return None
    rng = np.random.default_rng(seed)
    bars, signals = {}, {}
    for name, b in case.bars.items():
        factor = np.where(b.ts <= cut, 1.0, rng.choice([0.5, 1.0, 2.0]))
        prices = [getattr(b, column) * factor for column in ("open", "high", "low", "close")]
        volume = np.where(b.ts <= cut, b.volume, rng.permutation(b.volume))
        bars[name] = Bars(
            name, b.timeframe, b.calendar, b.ts, *prices, volume, lot_size=b.lot_size, fractionable=b.fractionable
        )
        signals[name] = case.signals[name].copy()
        signals[name][b.ts > cut] = rng.permutation(signals[name][b.ts > cut])
    return replace(case, bars=bars, signals=signals)


@tried(EXAMPLES)
@given(case=cases() | finer_cases(), data=st.data())
def test_the_order_in_which_symbols_are_given_changes_nothing(case, data):
    names = data.draw(st.permutations(sorted(case.bars)))
    turned = replace(
        case,
        bars={name: case.bars[name] for name in names},
        signals={name: case.signals[name] for name in reversed(names)},
        match_bars=case.match_bars and {name: case.match_bars[name] for name in names},
    )
    assert_same(run(case), run(turned))


@tried(EXAMPLES)
@given(case=cases())
def test_a_batch_is_its_steps(case):
    case = case.with_rules(window=None)  # a list of booleans belongs to a whole time line; TradingWindow: test_parity
    options = {"rules": case.rules, "costs": case.costs, "starting_cash": case.cash, "legs": case.legs}
    assert_same(run(case), step_by_step(case.bars, case.signals, **options))


@tried(EXAMPLES)
@given(case=cases() | finer_cases(), size=st.integers(1, 7))
def test_chunks_change_nothing(case, size):
    assert_same(run(case), run(case, chunk=size))


@pytest.mark.row("H16")
@tried(EXAMPLES // 2)
@given(case=cases(), others=st.lists(cases(most_symbols=1), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_a_cell_of_a_sweep_is_the_run_alone(case, others, seed):
    """The first case's bars under several rules and signals, in threads: each row equals the run of its own."""
    rng = np.random.default_rng(seed)
    rules = [case.rules, *(replace(other.rules, window=None) for other in others)]
    signals = [
        case.signals,
        *({name: rng.permutation(given) for name, given in case.signals.items()} for _ in others),
    ]
    rows = simulate_many(
        case.bars, signals=signals, rules=rules, costs=[case.costs], starting_cash=case.cash, legs=case.legs, threads=2
    )
    for row, cell_rules, cell_signals in zip(rows, rules, signals, strict=True):
        options = {"rules": cell_rules, "costs": case.costs, "starting_cash": case.cash, "legs": case.legs}
        assert row == simulate(case.bars, cell_signals, **options).metrics()
        assert all(value is None or not isinstance(value, float) or math.isfinite(value) for value in row.values())
