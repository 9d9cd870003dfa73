"""Fed one by one, a strategy says what it says about the whole series."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Bars
from engine.errors import InputError
from strategies import catalogue
from strategies.base import ACTIONS
from strategies.incremental import Incremental
from tests.strategies.panels import by_itself
from tests.strategies.series import FIRST_DAY_NS, MINUTE_NS, walk

NAMES = ("open", "high", "low", "close", "volume")


def one_by_one(bars: Bars) -> list[dict[str, object]]:
    return [
        {"ts": int(bars.ts[i]), **{name: float(getattr(bars, name)[i]) for name in NAMES}} for i in range(len(bars))
    ]


def fed(slug: str, **kwargs: object) -> Incremental:
    return Incremental(catalogue.get(slug)(), symbol="WALK", **{"timeframe": "1d", "calendar": "24/7", **kwargs})


@pytest.mark.row("D2", "D4")
@pytest.mark.parametrize("slug", [declared.slug for declared in by_itself()])
def test_bar_by_bar_is_all_at_once(slug: str) -> None:
    bars = walk(260)
    live = fed(slug)
    whole = catalogue.get(slug)()
    for i, bar in enumerate(one_by_one(bars)):
        assert live.on_bar(bar) == whole.explain(bars, i)
    assert live.get_signal() == whole.explain(bars, -1)
    assert live.generate_signals(bars) == whole.generate_signals(bars)
    assert len(live) == 260


@pytest.mark.row("D2")
def test_prices_alone_are_bars_that_do_not_move() -> None:
    live = Incremental(
        catalogue.get("mean_reversion")(window=4, threshold=0.05), symbol="T", timeframe="1d", calendar="24/7"
    )
    assert live.get_signal() is None
    start = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
    said = [
        live.add_price(px, start + datetime.timedelta(days=i)).action for i, px in enumerate([100, 100, 100, 100, 90])
    ]
    assert said == ["HOLD", "HOLD", "HOLD", "HOLD", "BUY"]
    assert live.get_signal().ts == start + datetime.timedelta(days=5)
    live.reset()
    assert live.get_signal() is None
    assert len(live) == 0
    assert live.add_price(90, start).action == "HOLD"


@pytest.mark.row("D2")
def test_quotes_make_bars_and_the_next_bar_closes_the_last() -> None:
    live = fed("buy_and_hold", timeframe="1m")

    def at(seconds: float) -> int:
        return FIRST_DAY_NS + int(seconds * 1e9)

    assert live.on_quote(99.9, 100.1, at(1)) is None
    assert live.on_quote(101.9, 102.1, at(20)) is None
    assert live.on_quote(98.9, 99.1, at(59.9)) is None
    told = live.on_quote(104.9, 105.1, at(185))
    assert told is not None
    assert told.action == "BUY"
    assert told.px == 99.0
    made = live.bars()
    assert [float(getattr(made, name)[0]) for name in NAMES] == [100.0, 102.0, 99.0, 99.0, 0.0]
    assert made.ts.tolist() == [FIRST_DAY_NS]
    live.on_quote(1, 1, at(250))
    assert live.bars().ts.tolist() == [FIRST_DAY_NS, FIRST_DAY_NS + 3 * MINUTE_NS]


GOOD = {"ts": FIRST_DAY_NS, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 5}


@pytest.mark.row("D2", "A8")
@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"close": "10"}, "close", "not_a_number"),
        ({"close": True}, "close", "not_a_number"),
        ({"close": float("nan")}, "close", "not_a_finite_number"),
        ({"open": 0}, "open", "out_of_range"),
        ({"volume": -1}, "volume", "out_of_range"),
        ({"high": 10.2}, "high", "out_of_range"),
        ({"low": 12.0}, "high", "out_of_range"),
        ({"ts": "2024-01-01"}, "ts", "wrong_type"),
        ({"ts": datetime.datetime(2024, 1, 1)}, "ts", "wrong_type"),
        ({"ts": None}, "ts", "wrong_type"),
        ({"bid": 1}, "bid", "unknown_field"),
    ],
)
def test_what_is_no_bar_is_refused(change: dict, path: str, code: str) -> None:
    live = fed("ma_crossover")
    with pytest.raises(InputError) as caught:
        live.on_bar({**GOOD, **change})
    assert (caught.value.faults[0].path, caught.value.faults[0].code) == (path, code)
    assert len(live) == 0, "nothing was taken"


@pytest.mark.row("D2")
def test_time_only_moves_forward() -> None:
    live = fed("ma_crossover")
    live.on_bar(GOOD)
    for ts in (FIRST_DAY_NS, FIRST_DAY_NS - 1):
        with pytest.raises(InputError, match="not later"):
            live.on_bar({**GOOD, "ts": ts})
    quoted = fed("ma_crossover", timeframe="1m")
    quoted.on_quote(1, 2, FIRST_DAY_NS + MINUTE_NS)
    for refused in (
        lambda: quoted.on_quote(1, 2, FIRST_DAY_NS),
        lambda: quoted.on_quote(3, 2, FIRST_DAY_NS + MINUTE_NS),
    ):
        with pytest.raises(InputError):
            refused()
    with pytest.raises(InputError, match="Quotes are building"):
        quoted.on_bar({**GOOD, "ts": FIRST_DAY_NS + 5 * MINUTE_NS})
    with pytest.raises(InputError, match="cannot be made from quotes"):
        fed("ma_crossover").on_quote(1, 2, FIRST_DAY_NS)


@pytest.mark.row("D2")
def test_what_is_fed_must_be_a_strategy_on_a_known_timeframe() -> None:
    with pytest.raises(TypeError):
        Incremental("ma_crossover", symbol="T")
    with pytest.raises(InputError):
        fed("ma_crossover", timeframe="7m")
    with pytest.raises(InputError):
        catalogue.get("ma_crossover")(fast_window="10")


@given(n=st.integers(1, 80), seed=st.integers(0, 1_000), slug=st.sampled_from([d.slug for d in by_itself()]))
def test_any_series_bit_by_bit(n: int, seed: int, slug: str) -> None:
    bars = walk(n, seed)
    live = fed(slug)
    actions = [live.on_bar(bar).action for bar in one_by_one(bars)]
    assert actions == [ACTIONS[int(signal)] for signal in catalogue.get(slug)().signals(bars)]
    assert np.array_equal(live.bars().close, bars.close)


@pytest.mark.row("D2")
def test_a_strategy_over_several_symbols_is_refused() -> None:
    with pytest.raises(InputError, match="several symbols") as caught:
        fed("pairs")
    assert caught.value.faults[0].path == "strategy"
