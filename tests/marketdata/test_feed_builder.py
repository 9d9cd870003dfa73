"""Ticks to closed bars: each once, whole, as the engine's resampling makes them; bad prints counted, never believed."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bars import Bars
from engine.errors import InputError
from engine.exchange import local_ns
from engine.resample import close_times, resample
from marketdata.columns import SECOND
from marketdata.feeds import BarBuilder, BarGate, ClosedBar, Tick
from marketdata.feeds.checks import CONFIRM_NS
from marketdata.feeds.spans import is_open, spans_of
from tests.marketdata.conftest import ns
from tests.marketdata.feed_rig import START

MINUTE = 60 * SECOND
FRAMES = ("1s", "1m", "5m", "15m", "1h", "4h", "1d")


def tick(at_s: float, px: float = 100.0, size: float = 1.0, **more: object) -> Tick:
    return Tick("X", START + round(at_s * SECOND), px, size, **more)  # type: ignore[arg-type]


def built(ticks: list[Tick], frames: tuple[str, ...] = FRAMES, **options: object) -> dict[str, list[ClosedBar]]:
    """All bars by timeframe, after everything was closed."""
    builder = BarBuilder("X", frames, **options)  # type: ignore[arg-type]
    out = [bar for one in ticks for bar in builder.add(one)]
    out += builder.close_until(1 << 61)
    assert len({bar.key for bar in out}) == len(out)
    return {frame: [bar for bar in out if bar.timeframe == frame] for frame in frames}


def as_bars(bars: list[ClosedBar], calendar: str) -> Bars:
    columns = list(zip(*(bar.values() for bar in bars), strict=True))
    return Bars.from_arrays("X", bars[0].timeframe, np.array(columns[0]), *columns[1:], calendar=calendar)


def assert_resampled(bars: dict[str, list[ClosedBar]], calendar: str) -> None:
    """Every timeframe is, bit for bit and with its closing times, what the engine makes of the finer one."""
    for frame, made in bars.items():
        if frame == "1s":
            continue
        expected = resample(as_bars(bars["1s" if frame == "1m" else "1m"], calendar), frame)
        if not made:
            assert len(expected) == 0
            continue
        got = as_bars(made, calendar)
        for column in ("ts", "open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(got, column), getattr(expected, column)), (frame, column)
        assert [bar.ts_close for bar in made] == close_times(expected).tolist()


# --- What a bar is ---------------------------------------------------------------------------------------------------
def test_a_second_of_ticks_is_one_bar_and_a_second_without_is_none() -> None:
    builder = BarBuilder("X", ["1s"])
    assert builder.add(tick(0.1, 100, 1)) == []
    assert builder.add(tick(0.5, 102, 2)) == []
    assert builder.add(tick(0.9, 99, 3)) == []
    (bar,) = builder.add(tick(3.2, 101, 5))
    assert bar.values() == (START, 100, 102, 99, 99, 6)
    assert bar.ts_close == START + SECOND
    (bar,) = builder.close_until(START + 4 * SECOND)
    assert bar.values() == (START + 3 * SECOND, 101, 101, 101, 101, 5)
    assert builder.close_until(START + 100 * SECOND) == []


def test_a_bar_ends_by_time_when_no_tick_comes_and_not_before() -> None:
    builder = BarBuilder("X", ["1m", "5m"], grace_ns=2 * SECOND)
    builder.add(tick(10))
    assert builder.next_close() == START + 13 * SECOND  # the second closes first
    assert builder.close_until(START + 62 * SECOND - 1) == []
    assert [bar.timeframe for bar in builder.close_until(START + 62 * SECOND)] == ["1m"]
    assert [bar.timeframe for bar in builder.close_until(START + 302 * SECOND)] == ["5m"]
    assert builder.next_close() > START + 10**6 * SECOND


@pytest.mark.row("G15")
def test_bars_that_close_together_come_together_the_coarser_first() -> None:
    builder = BarBuilder("X", FRAMES)
    builder.add(tick(86_399.5))
    closed = builder.close_until(START + 86_400 * SECOND)
    assert [bar.timeframe for bar in closed] == ["1d", "4h", "1h", "15m", "5m", "1m", "1s"]
    assert {bar.ts_close for bar in closed} == {START + 86_400 * SECOND}


def test_a_timeframe_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(InputError) as error:
        BarBuilder("X", ["1m"], base="5m")
    assert error.value.faults[0].hint == "one of 5m, 15m, 1h, 4h, 1d"
    with pytest.raises(InputError):
        BarBuilder("X", ["7m"])


# --- The same as the engine ------------------------------------------------------------------------------------------
@pytest.mark.row("G15", "C15")
@given(
    st.lists(
        st.tuples(st.integers(0, 3 * 86_400_000), st.integers(9_000, 11_000), st.floats(0.001, 1e6)),
        min_size=1,
        max_size=300,
        unique_by=lambda one: one[0],
    )
)
def test_every_timeframe_is_what_the_engine_makes_of_the_finer_one_round_the_clock(
    prints: list[tuple[int, int, float]],
) -> None:
    ticks = [tick(ms / 1000, cents / 100, size) for ms, cents, size in sorted(prints)]
    bars = built(ticks)
    assert_resampled(bars, "24/7")
    assert sum(len(bars[f]) for f in FRAMES) > 0


@pytest.mark.row("G15", "C15")
@pytest.mark.parametrize(
    ("first", "days"),
    [
        pytest.param("2026-10-30", 5, id="clocks go back"),
        pytest.param("2026-03-05", 6, id="clocks go forward"),
        pytest.param("2026-11-25", 4, id="holiday and half day"),
        pytest.param("2026-12-23", 4, id="half day before Christmas"),
    ],
)
def test_every_timeframe_keeps_to_the_session_of_the_exchange(first: str, days: int) -> None:
    """Prints before, in and after the sessions: 04:00 to 20:00 in New York, as the tape has them."""
    random = np.random.default_rng(days)
    at = np.sort(random.choice(days * 86_400, size=6_000, replace=False)) * SECOND + ns(first)
    hour = local_ns(at, "America/New_York") // (60 * MINUTE)
    at = at[(hour % 24 >= 4) & (hour % 24 < 20) & (hour // 24 % 7 != 2) & (hour // 24 % 7 != 3)]  # 1970-01-03: Saturday
    prices = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.001, len(at)))), 2)
    ticks = [Tick("X", int(t), float(p), float(s)) for t, p, s in zip(at, prices, random.random(len(at)), strict=True)]
    bars = built(ticks, calendar="XNYS")
    assert_resampled(bars, "XNYS")
    assert len(bars["1d"]) == {"2026-10-30": 3, "2026-03-05": 4, "2026-11-25": 2, "2026-12-23": 2}[first]


def test_a_day_closes_with_its_session() -> None:
    closes = {
        "2026-03-06": "2026-03-06T21:00",  # winter time
        "2026-03-09": "2026-03-09T20:00",  # the first day of summer time
        "2026-11-27": "2026-11-27T18:00",  # the half day after Thanksgiving
    }
    for day, close in closes.items():
        builder = BarBuilder("X", ["1d"], calendar="XNYS")
        builder.add(Tick("X", ns(f"{day}T15:00"), 100.0, 1.0))
        assert builder.close_until(ns(close) - 1) == []
        (bar,) = builder.close_until(ns(close))
        assert (bar.ts_open, bar.ts_close) == (ns(day), ns(close))
    assert is_open("XNYS", ns("2026-11-27T17:59:59"))
    assert not is_open("XNYS", ns("2026-11-27T18:00"))
    assert not is_open("XNYS", ns("2026-11-26T16:00"))
    assert is_open("24/7", ns("2026-11-26T16:00"))


def test_the_place_of_a_bar_is_the_engines() -> None:
    spans = spans_of("XNYS")
    for frame in ("1m", "1h", "4h", "1d"):
        at = np.arange(ns("2026-11-24"), ns("2026-12-02"), MINUTE)
        flat = np.full(len(at), 1.0)
        bars = resample(Bars.from_arrays("X", "1m", at, flat, flat, flat, flat), frame) if frame != "1m" else None
        bars = bars or Bars.from_arrays("X", "1m", at, flat, flat, flat, flat)
        assert [spans.place(t, frame).ts_close for t in bars.ts.tolist()] == close_times(bars).tolist()


# --- Disorder --------------------------------------------------------------------------------------------------------
@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[Tick], list[Tick]]:
    """Ticks in order, and as they may arrive when none is more than two seconds late."""
    gaps = draw(st.lists(st.integers(1, 900), min_size=1, max_size=120))
    prices = draw(st.lists(st.integers(9_500, 10_500), min_size=len(gaps), max_size=len(gaps)))
    sizes = draw(st.lists(st.floats(0.01, 1e5), min_size=len(gaps), max_size=len(gaps)))
    delays = draw(st.lists(st.integers(0, 2_000), min_size=len(gaps), max_size=len(gaps)))
    at = np.cumsum(gaps).tolist()
    ticks = [tick(ms / 1000, p / 100, s) for ms, p, s in zip(at, prices, sizes, strict=True)]
    arrival = sorted(range(len(at)), key=lambda i: (at[i] + delays[i], i))
    return ticks, [ticks[i] for i in arrival]


@pytest.mark.fault(35)
@pytest.mark.row("G15")
@given(shuffled(), st.lists(st.integers(0, 119), max_size=20))
def test_any_shuffle_within_the_grace_and_any_repetition_give_the_same_bars(
    pair: tuple[list[Tick], list[Tick]], repeated: list[int]
) -> None:
    ordered, arrived = pair
    for i in repeated:
        if i < len(arrived):
            arrived = [*arrived[: i + 1], arrived[i], *arrived[i + 1 :]]
    grace = 2_001 * 1_000_000
    assert {f: [b.values() for b in bars] for f, bars in built(arrived, grace_ns=grace).items()} == {
        f: [b.values() for b in bars] for f, bars in built(ordered, grace_ns=grace).items()
    }


def test_late_ticks_are_counted_and_never_reopen_a_bar() -> None:
    builder = BarBuilder("X", ["1s", "1m"])
    builder.add(tick(0.5))
    assert [bar.timeframe for bar in builder.add(tick(61.0, 101.0))] == ["1s", "1m"]
    assert builder.add(tick(0.7, 50.0)) == []
    assert builder.add(tick(30.0, 99.0)) == []
    later = builder.close_until(START + 120 * SECOND)
    assert builder.counters["late"] == 2
    assert {bar.ts_open for bar in later} == {START + 60 * SECOND, START + 61 * SECOND}


def test_an_older_tick_of_the_open_bar_moves_its_extremes_but_not_its_close() -> None:
    builder = BarBuilder("X", ["1s"])
    for one in (tick(0.5, 100), tick(0.8, 101), tick(0.6, 103), tick(0.2, 99)):
        builder.add(one)
    (bar,) = builder.close_until(START + SECOND)
    assert bar.values() == (START, 99, 103, 99, 101, 4)
    assert builder.counters["out_of_order"] == 2


def test_duplicates_are_dropped_by_trade_id_or_by_value() -> None:
    builder = BarBuilder("X", ["1s"])
    same = tick(0.1, 100, 2)
    for one in (same, same, tick(0.2, 100, 2, trade_id="7"), tick(0.2, 100, 2, trade_id="8")):
        builder.add(one)
    builder.add(tick(0.3, 101, 9, trade_id="7"))
    assert builder.close_until(START + SECOND)[0].volume == 6
    assert (builder.counters["duplicate"], builder.counters["accepted"]) == (2, 3)


# --- Poison ----------------------------------------------------------------------------------------------------------
POISON = [
    (tick(1, 0.0), "price"),
    (tick(1, -5.0), "price"),
    (tick(1, math.nan), "price"),
    (tick(1, math.inf), "out_of_range"),
    (tick(1, 1e-300), "out_of_range"),
    (tick(1, 100, 0.0), "size"),
    (tick(1, 100, -1.0), "size"),
    (tick(1, 100, math.nan), "size"),
    (tick(1, 100, math.inf), "out_of_range"),
    (tick(1, 100, 1, bid=101.0, ask=100.0), "crossed_quote"),
    (tick(1, 100, 1, bid=100.0, ask=100.0), "crossed_quote"),
    (tick(99, 100), "in_the_future"),
    (tick(1, 1000.0), "jump"),
    (tick(1, 10.0), "jump"),
]


@pytest.mark.fault(34)
@pytest.mark.row("W11")
@pytest.mark.parametrize(("poison", "reason"), POISON)
def test_a_poisoned_print_is_counted_with_its_reason_and_enters_no_bar(poison: Tick, reason: str) -> None:
    builder = BarBuilder("X", ["1m"])
    now = START + 2 * SECOND
    builder.add(tick(0.5), now)
    builder.add(poison, now)
    builder.add(tick(1.5, 100.5), now)
    (bar,) = builder.close_until(START + MINUTE)
    assert bar.values() == (START, 100.0, 100.5, 100.0, 100.5, 2.0)
    assert builder.quarantined == {reason: 1}


def test_a_real_gap_costs_one_print_a_wild_one_never_gets_in() -> None:
    builder = BarBuilder("X", ["1m"])
    for one in (tick(1, 100), tick(2, 160), tick(3, 161), tick(4, 162)):
        builder.add(one)
    builder.add(tick(5, 500))  # wild, then normal again, then as wild: neither confirms the other
    builder.add(tick(6, 163))
    builder.add(tick(7, 500))
    builder.add(tick(8, 164))
    builder.add(tick(9, 500))
    builder.add(tick(9.5 + CONFIRM_NS / SECOND, 505))  # agrees, but too late
    builder.add(tick(20, 165))
    builder.add(tick(21, 30))
    builder.add(tick(22, 45))  # does not agree with the first
    (bar,) = builder.close_until(START + MINUTE)
    assert (bar.open, bar.high, bar.low, bar.close) == (100, 165, 100, 165)
    assert builder.quarantined == {"jump": 7}


def test_the_same_print_again_does_not_confirm_itself() -> None:
    builder = BarBuilder("X", ["1m"])
    builder.add(tick(1, 100))
    builder.add(tick(2, 300))
    builder.add(tick(2, 300))
    assert builder.close_until(START + MINUTE)[0].high == 100


# --- Bars of a feed --------------------------------------------------------------------------------------------------
def bar(minute: int, close: float = 100.0, **changes: object) -> ClosedBar:
    start = START + minute * MINUTE
    values = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 10.0} | changes
    return ClosedBar("X", "1m", start, start + MINUTE, **values, received_ns=0)  # type: ignore[arg-type]


@pytest.mark.row("W11")
def test_the_gate_lets_each_bar_through_once_and_in_order() -> None:
    gate = BarGate()
    sent = [bar(0), bar(1), bar(1), bar(0), bar(3), bar(2), bar(4)]
    assert [b.ts_open for b in sent if gate.admit(b)] == [bar(i).ts_open for i in (0, 1, 3, 4)]
    assert gate.counters == {"accepted": 4, "duplicate": 1, "late": 2}


@pytest.mark.row("W11")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"low": 150.0}, "impossible"),
        ({"high": 50.0}, "impossible"),
        ({"open": 150.0}, "impossible"),
        ({"close": math.nan}, "not_a_finite_number"),
        ({"high": math.inf}, "not_a_finite_number"),
        ({"volume": -1.0}, "volume"),
        ({"volume": 1e19}, "out_of_range"),
        ({"low": 0.0}, "price"),
        ({"low": -3.0}, "price"),
        ({"high": 5_000.0}, "jump"),
    ],
)
def test_an_impossible_bar_is_counted_and_the_good_one_still_gets_in(changes: dict[str, float], reason: str) -> None:
    gate = BarGate(jump_ratio=10.0)
    assert gate.admit(bar(0))
    assert not gate.admit(bar(1, **changes))
    assert gate.quarantined == {reason: 1}
    assert gate.admit(bar(1))


def test_a_level_that_two_bars_agree_on_is_believed() -> None:
    gate = BarGate(jump_ratio=10.0)
    assert [gate.admit(b) for b in (bar(0, 100), bar(1, 5_000), bar(2, 100), bar(3, 5_000), bar(4, 5_100))] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_coarse_bars_of_a_bar_feed_are_the_engines_also_with_minutes_missing() -> None:
    random = np.random.default_rng(7)
    minutes = np.sort(random.choice(3 * 1440, 2_000, replace=False)).tolist()
    sent = [bar(m, 100 + m / 100, volume=float(random.random() * 1e4)) for m in minutes]
    builder, out = BarBuilder("X", ["1m", "5m", "1h", "1d"], base="1m"), []
    for one in sent:
        builder.add_bar(one)
        out += builder.close_until(one.ts_close)
    out += builder.close_until(1 << 61)
    by_frame = {f: [b for b in out if b.timeframe == f] for f in ("1m", "5m", "1h", "1d")}
    assert by_frame["1m"] == sent
    for frame in ("5m", "1h", "1d"):
        expected = resample(as_bars(sent, "24/7"), frame)
        got = as_bars(by_frame[frame], "24/7")
        for column in ("ts", "open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(got, column), getattr(expected, column))


def test_a_minute_that_comes_after_its_hour_has_closed_does_not_begin_the_hour_again() -> None:
    builder = BarBuilder("X", ["1h"], base="1m")
    builder.add_bar(bar(0))
    assert len(builder.close_until(START + 60 * MINUTE)) == 1
    builder.add_bar(bar(59))
    assert builder.close_until(START + 120 * MINUTE) == []


@pytest.mark.row("G15")
def test_a_tick_costs_less_than_twenty_microseconds() -> None:
    ticks = [tick(i / 10, 100 + i % 7, 1.0) for i in range(20_000)]
    builder = BarBuilder("X", FRAMES)
    began = time.process_time()
    for one in ticks:
        builder.add(one)
    assert (time.process_time() - began) / len(ticks) < 100e-6  # five times the goal: the machine is shared
