"""How much is bought: sizing, caps, cash, slots, competition. docs/fills.md sections 7 to 9."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine import Costs, Rules, simulate
from engine.types import DENIAL_NAMES
from tests.engine.made import bars_of, denials, fills, flat, orders_of, random_bars, run, statuses

ENTRY = (100, 101, 99, 100)


def quantity(rules: Rules, rows: list | None = None, **options: object) -> float:
    """Units of the first fill after a buy signal on the first bar."""
    result = run(rows or [ENTRY, (110, 111, 109, 110)], [1, 0], rules, **options)
    return float(result.fills["qty"][0])


@pytest.mark.row("J8", "J11", "H17")
@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({}, 100.0),  # the default: 10% of 100,000 at the deciding close of 100
        ({"sizing": "fixed", "size_value": 7.0}, 7.0),
        ({"size_value": 25.0}, 250.0),
        ({"size_value": 10.0, "size_at": "fill"}, 90.0),  # floor(10,000 / 110)
        ({"sizing": "equal_weight", "max_open_positions": 8}, 125.0),
        ({"sizing": "kelly", "size_value": 5.0}, 50.0),  # too few round trips: size_value percent
        ({"sizing": "risk", "size_value": 1.0, "stop_loss_pct": 5.0}, 200.0),  # 1,000 over a stop of 5
        ({"sizing": "risk", "size_value": 1.0, "trailing_stop_pct": 10.0}, 100.0),
    ],
)
def test_units_of_each_sizing(fields: dict, units: float) -> None:
    assert quantity(Rules(**fields)) == units


@pytest.mark.row("J4", "J11", "J13", "J14")
@pytest.mark.parametrize(
    ("fields", "units", "reason"),
    [
        ({"size_value": 60.0}, 250.0, "position_cap"),  # the default cap of 25%
        ({"size_value": 60.0, "max_position_size_pct": 5.0}, 50.0, "position_cap"),
        ({"size_value": 60.0, "max_position_size_pct": None, "capital_per_trade": 3_050.0}, 30.0, "capital_cap"),
        ({"size_value": 20.0, "max_symbol_concentration_pct": 8.0}, 80.0, "symbol_cap"),
    ],
)
def test_caps_cut_and_say_so(fields: dict, units: float, reason: str) -> None:
    result = run([ENTRY, (100, 101, 99, 100)], [1, 0], Rules(**fields))
    assert result.fills["qty"].tolist() == [units]
    asked = 1_000.0 * fields["size_value"] / 100.0
    assert denials(result) == [(reason, asked, units, 1)]


@pytest.mark.row("J14")
def test_the_symbol_cap_counts_what_is_held() -> None:
    scaling = Rules(size_value=10.0, allow_scale_in=True, max_symbol_concentration_pct=15.0)
    result = run([ENTRY, *flat(100, 4)], [1, 1, 1, 0, 0], scaling)
    assert result.fills["qty"].tolist() == [100.0, 50.0]
    assert denials(result) == [("symbol_cap", 100.0, 50.0, 1), ("symbol_cap", 100.0, 0.0, 1)]


@pytest.mark.row("J8")
def test_kelly_sizes_by_this_runs_round_trips_once_there_are_enough() -> None:
    # won 10%, lost 5%, won 10%: W = 2/3, R = 2, f = 2/3 - (1/3)/2 = 0.5; half of it is 25%, capped at 20%
    rows = [(100, 100, 100, 100), (100, 100, 100, 100), (110, 110, 100, 100), (100, 100, 100, 100)]
    rows += [(95, 100, 95, 100), (100, 100, 100, 100), (110, 110, 100, 100), (100, 100, 100, 100)]
    signals = [1, -1, 1, -1, 1, -1, 1, 0]
    base = {"sizing": "kelly", "size_value": 10.0, "kelly_min_trades": 3, "max_position_size_pct": None}
    result = run(rows, signals, Rules(**base, kelly_cap_pct=20.0))
    assert len(result.positions) == 3
    equity = 100_000.0 + float(result.positions["pnl_net"].sum())
    assert result.fills["qty"][-1] == math.floor(equity * 20.0 / 100.0 / 100.0)
    wide = run(rows, signals, Rules(**base, kelly_cap_pct=90.0))
    assert wide.fills["qty"][-1] == pytest.approx(equity * 0.25 / 100.0, abs=1.0)


@pytest.mark.row("J8")
def test_kelly_without_an_edge_enters_no_more() -> None:
    rows = [(100, 100, 95, 100), (100, 100, 95, 100), (95, 100, 95, 100), (100, 100, 95, 100)]
    result = run(rows, [1, -1, 1, 0], Rules(sizing="kelly", kelly_min_trades=1))
    assert len(result.fills) == 2
    assert [row[0] for row in denials(result)] == ["no_edge"]


@pytest.mark.row("J15")
def test_volatility_sizing_is_wilders_atr_of_ta_lib() -> None:
    talib = pytest.importorskip("talib")
    bars = random_bars(4, 120, timeframe="1d")
    rules = Rules(sizing="volatility", size_value=1.0, atr_period=14, atr_multiple=2.0, allow_fractional=True)
    signals = np.zeros(120, dtype=np.int8)
    signals[80] = 1
    result = simulate({"A": bars}, {"A": signals}, rules=rules)
    atr = talib.ATR(bars.high, bars.low, bars.close, 14)[80]
    assert result.orders["qty"][0] == pytest.approx(100_000.0 * 0.01 / (2.0 * atr), rel=1e-9)
    early = simulate({"A": bars}, {"A": np.where(np.arange(120) == 13, 1, 0)}, rules=rules)
    assert [row[0] for row in denials(early)] == ["no_volatility"]


@pytest.mark.row("J15")
def test_risk_to_the_signals_own_stop() -> None:
    risk = Rules(sizing="risk", size_value=1.0, max_position_size_pct=None)
    result = run([ENTRY, ENTRY], orders_of({"action": 1, "stop_px": 96.0}, {}), risk)
    assert result.fills["qty"].tolist() == [250.0]
    for signals in ([1, 0], orders_of({"action": 1, "stop_px": 101.0}, {})):
        none = run([ENTRY, ENTRY], signals, risk)  # no stop, or one on the wrong side
        assert [row[0] for row in denials(none)] == ["no_stop"]


def test_rounding_never_increases_a_size() -> None:
    assert quantity(Rules(size_value=10.0), cash=1_999.0) == 1.0
    assert quantity(Rules(size_value=10.0, max_position_size_pct=None), cash=99_999.0, lot_size=25.0) == 75.0
    fractional = Rules(size_value=10.0, allow_fractional=True)
    assert quantity(fractional, cash=333.0) == pytest.approx(0.333)
    assert quantity(fractional, cash=3_333.0, fractionable=False) == 3.0
    tiny = run([ENTRY, ENTRY], [1, 0], Rules(), cash=900.0)
    assert denials(tiny) == [("size_zero", 0.9, 0.0, 1)]


def test_a_weight_sizes_an_entry_when_nothing_rebalances() -> None:
    result = run([ENTRY, ENTRY], orders_of({"action": 1, "target_weight": 0.2}, {}), Rules())
    assert result.fills["qty"].tolist() == [200.0]


@pytest.mark.row("J13")
def test_cash_cuts_what_it_does_not_cover_commission_included() -> None:
    all_in = Rules(size_value=100.0, max_position_size_pct=None)
    costs = Costs(commission_rate=0.001)
    result = run([ENTRY, (100, 101, 99, 100)], [1, 0], all_in, costs=costs)
    assert result.fills["qty"].tolist() == [999.0]
    assert denials(result) == [("no_cash", 1_000.0, 999.0, 1)]
    assert result.equity["cash"][-1] == pytest.approx(100_000.0 - 99_900.0 * 1.001)
    assert statuses(result) == ["filled"]
    gapped = run([ENTRY, (130, 131, 129, 130)], [1, 0], all_in)
    assert gapped.fills["qty"].tolist() == [769.0]


@pytest.mark.row("J13")
@pytest.mark.parametrize("fractional", [False, True])
def test_cash_never_goes_below_zero(fractional: bool) -> None:
    """All-in orders on many random markets, with every cost at once."""
    for seed in range(30):
        bars = random_bars(seed, 200)
        rules = Rules(size_value=100.0, max_position_size_pct=None, allow_fractional=fractional, stop_loss_pct=1.0)
        costs = Costs(
            commission_rate=0.003, commission_per_share=0.01, commission_min=7.0, slippage="fixed", slippage_value=0.3
        )
        signals = np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.int8), 200)
        result = simulate({"A": bars}, {"A": signals}, rules=rules, costs=costs, starting_cash=500.0)
        assert result.equity["cash"].min() >= 0.0


def test_no_cash_at_all_is_denied() -> None:
    costs = Costs(commission_min=200.0)
    one = Rules(sizing="fixed", size_value=1.0, max_position_size_pct=None)
    result = run([ENTRY, ENTRY], [1, 0], one, cash=150.0, costs=costs)
    assert len(result.fills) == 0
    assert denials(result) == [("no_cash", 1.0, 0.0, 1)]
    assert statuses(result) == ["denied"]


def test_the_same_refusal_again_is_counted_not_written_again() -> None:
    result = run([ENTRY, *flat(100, 9)], [1] * 10, Rules(), cash=900.0)
    assert denials(result) == [("size_zero", 0.9, 0.0, 10)]
    assert result.denials.frame()["last_ts"][0] > result.denials.frame()["ts"][0]


def pair(rows_b: list | None = None) -> dict:
    rows = [ENTRY, *flat(100, 4)]
    return {"A": bars_of(rows, symbol="A"), "B": bars_of(rows_b or rows, symbol="B")}


@pytest.mark.row("H5", "J5", "D16")
def test_confidence_then_name_decide_who_gets_the_slot() -> None:
    one_slot = Rules(max_open_positions=1)
    buy = {"action": 1}
    equal = {name: orders_of(buy, {}, {}, {}, {}) for name in "AB"}
    result = simulate(pair(), equal, rules=one_slot)
    assert result.fills.frame()["symbol"].tolist() == ["A"]
    assert result.denials.frame()[["symbol", "reason"]].iloc[0].tolist() == ["B", "no_slot"]
    sure = {"A": 0.6, "B": 0.7}
    surer = {name: orders_of({**buy, "confidence": sure[name]}, {}, {}, {}, {}) for name in "AB"}
    assert simulate(pair(), surer, rules=one_slot).fills.frame()["symbol"].tolist() == ["B"]
    picky = simulate(pair(), surer, rules=Rules(min_confidence=0.65))
    assert picky.fills.frame()["symbol"].tolist() == ["B"]
    assert picky.denials.frame()["reason"].tolist() == ["low_confidence"]


@pytest.mark.row("H5", "J5")
def test_an_exit_frees_its_slot_and_its_cash_for_an_entry_at_the_same_open() -> None:
    rules = Rules(size_value=100.0, max_position_size_pct=None, max_open_positions=1)
    signals = {"A": np.array([1, -1, 0, 0, 0], dtype=np.int8), "B": np.array([0, 1, 0, 0, 0], dtype=np.int8)}
    result = simulate(pair(), signals, rules=rules)
    frame = result.fills.frame()
    assert frame["symbol"].tolist() == ["A", "A", "B"]
    assert frame["ts"].iloc[1] == frame["ts"].iloc[2]
    assert len(result.denials) == 0


@pytest.mark.row("H5")
def test_one_cash_account_over_all_symbols() -> None:
    rules = Rules(size_value=60.0, max_position_size_pct=None)
    signals = {name: np.array([1, 0, 0, 0, 0], dtype=np.int8) for name in "AB"}
    result = simulate(pair(), signals, rules=rules)
    assert result.fills["qty"].tolist() == [600.0, 400.0]
    assert result.denials.frame()[["symbol", "reason", "asked", "allowed"]].iloc[0].tolist() == [
        "B",
        "no_cash",
        600.0,
        400.0,
    ]


def test_a_short_is_covered_by_cash_of_its_own() -> None:
    """Proceeds and as much again are locked: 100,000 can short 100,000 and then buy nothing."""
    rules = Rules(size_value=80.0, max_position_size_pct=None, allow_short=True)
    signals = {"A": np.array([-1, 0, 0, 0, 0], dtype=np.int8), "B": np.array([1, 0, 0, 0, 0], dtype=np.int8)}
    result = simulate(pair(), signals, rules=rules)
    assert result.fills["qty"].tolist() == [800.0, 200.0]
    assert result.equity["cash"].tolist()[1] == 100_000.0 + 80_000.0 - 20_000.0


def test_a_symbol_without_a_bar_keeps_its_mark_and_waits() -> None:
    """B has no bar on the second day: its order waits for the third, its last close counts until then."""
    day = 86_400_000_000_000
    whole = bars_of(
        [(100, 100, 100, 100), (110, 110, 110, 110), (120, 120, 120, 120), (130, 130, 130, 130)], symbol="A"
    )
    gap = bars_of([(50, 50, 50, 50), (60, 60, 60, 60), (70, 70, 70, 70)], symbol="B")
    gap = type(gap)("B", "1d", "24/7", whole.ts[[0, 2, 3]], gap.open, gap.high, gap.low, gap.close, gap.volume)
    rules = Rules(sizing="fixed", size_value=10.0)
    signals = {"A": np.zeros(4, np.int8), "B": np.array([1, 0, 0], np.int8)}
    result = simulate({"A": whole, "B": gap}, signals, rules=rules)
    assert fills(result) == [(2, "buy", 10.0, 60.0, "signal")]
    assert result.equity["equity"].tolist() == [100_000.0, 100_000.0, 100_000.0, 100_100.0]
    assert (result.equity["ts"] - whole.ts[0]).tolist() == [0, day, 2 * day, 3 * day]
    held = {"A": np.zeros(4, np.int8), "B": np.array([0, 1, 0], np.int8)}
    later = type(gap)("B", "1d", "24/7", whole.ts[[0, 1, 2]], gap.open, gap.high, gap.low, gap.close, gap.volume)
    kept = simulate({"A": whole, "B": later}, held, rules=rules)
    assert kept.equity["equity"].tolist()[-1] == 100_000.0  # bought at 70, marked to its last close of 70


def test_every_denial_reason_has_a_name() -> None:
    assert len(set(DENIAL_NAMES)) == len(DENIAL_NAMES)
