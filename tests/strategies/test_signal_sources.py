"""Volume, liquidity, smart money, quotes and news: when each signals, on series small enough to follow by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from engine import Bars
from engine.errors import InputError
from marketdata.news.names import Window
from marketdata.news.series import Known, attach
from strategies import catalogue, indicators, reading
from strategies.base import Strategy
from strategies.causality import check
from strategies.indicators import flow
from strategies.indicators.blocks import order_blocks
from tests.accounts.factories import UserFactory
from tests.strategies.series import DAY_NS, FIRST_DAY_NS, from_close, furnished, real_daily, walk

SOURCES = ("volume_surge", "liquidity", "smart_money", "microstructure", "sentiment")


def candles(*rows: tuple[float, float, float, float], volume: list[float] | None = None) -> Bars:
    """Daily bars of (open, high, low, close)."""
    prices = np.array(rows, dtype=np.float64).T
    ts = FIRST_DAY_NS + np.arange(len(rows)) * DAY_NS
    traded = np.full(len(rows), 100.0) if volume is None else volume
    return Bars.from_arrays("TEST", "1d", ts, *prices, traded, calendar="24/7")


@pytest.mark.row("D13", "D8", "W8")
@pytest.mark.parametrize("slug", SOURCES)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_source_looks_ahead(slug: str, seed: int) -> None:
    strategy = catalogue.get(slug)()
    bars = furnished(strategy, walk(700, seed, timeframe="1m"), seed)
    report = check(strategy, bars, points=150)
    assert report.ok, report.problems


@pytest.mark.parametrize("trigger", ["order_blocks", "divergence", "both", "either"])
def test_no_trigger_of_smart_money_looks_ahead(trigger: str) -> None:
    strategy = catalogue.get("smart_money")(trigger=trigger, impulse_atr=1.0, min_price_change=0.001)
    report = check(strategy, walk(600, 3), points=150)
    assert report.ok, report.problems
    assert report.first_leak is None


# --- volume --------------------------------------------------------------------------------------------------------


@pytest.mark.row("D13")
def test_a_surge_needs_volume_flow_and_price() -> None:
    close, volume = [10.0, 10.1, 10.2, 10.3], [100.0] * 4
    settings = {"volume_window": 4, "obv_window": 5, "surge_ratio": 2, "min_change": 0.01}

    def last(px: float, traded: float, **changed: Any) -> int:
        bars = from_close([*close, px], [*volume, traded])
        return int(catalogue.get("volume_surge")(**{**settings, **changed}).signals(bars)[-1])

    assert last(10.5, 200) == 1, "twice the usual on a rise of 1.9 %, OBV rising"
    assert last(10.5, 199) == 0, "not twice the usual"
    assert last(10.35, 500) == 0, "the price has hardly moved"
    assert last(10.1, 500) == -1, "a fall: OBV drops below its average at once"
    assert last(10.1, 120, surge_ratio=1) == 0, "a fall on little more than the usual: OBV is still above its average"
    assert catalogue.get("volume_surge")().signals(from_close([10.0] * 40)).tolist() == [0] * 40, "no volume"


# --- liquidity -----------------------------------------------------------------------------------------------------


@pytest.mark.row("D13", "F10")
def test_flow_and_illiquidity_by_hand() -> None:
    close, volume = np.array([10.0, 11, 10.45, 10.45, 12]), np.array([5.0, 100, 50, 30, 20])
    np.testing.assert_allclose(flow.flow_ratio(close, volume, 2)[2:], [50 / 150, -50 / 80, 20 / 50])
    assert np.isnan(flow.flow_ratio(close, volume, 2)[:2]).all()
    # |return| ÷ traded value: 0.1 / 1100, 0.05 / 522.5, 0 / 313.5, 0.14833 / 240.
    measures = np.array([0.1 / 1_100, 0.05 / 522.5, 0, (12 / 10.45 - 1) / 240]) * 1e6
    expected = [measures[i : i + 2].mean() for i in range(3)]
    np.testing.assert_allclose(flow.illiquidity(close, volume, 2)[2:], expected, rtol=1e-9)
    assert flow.volume_ratio(volume, 2)[2] == pytest.approx(50 / 52.5)
    # A bar without volume counts as none.
    quiet = np.array([5.0, 100, 0, 30, 20])
    assert flow.illiquidity(close, quiet, 2)[2] == pytest.approx(measures[0], rel=1e-9)
    assert np.isnan(flow.illiquidity(close, np.zeros(5), 2)).all()


def test_the_spread_of_corwin_and_schultz_by_hand() -> None:
    high, low, close = np.array([10.2, 10.3, 10.6]), np.array([10.0, 10.1, 10.5]), np.array([10.1, 10.2, 10.55])
    scale = 3 - 2 * np.sqrt(2)

    def spread(h1: float, l1: float, h2: float, l2: float) -> float:
        beta = np.log(h1 / l1) ** 2 + np.log(h2 / l2) ** 2
        gamma = np.log(max(h1, h2) / min(l1, l2)) ** 2
        alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / scale - np.sqrt(gamma / scale)
        return max(2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha)), 0)

    # The third bar opens 0.3 above the second one's close: that gap is taken out.
    expected = [spread(10.2, 10.0, 10.3, 10.1), spread(10.3, 10.1, 10.3, 10.2)]
    np.testing.assert_allclose(flow.high_low_spread(high, low, close, 1)[1:], expected, rtol=1e-9)
    np.testing.assert_allclose(flow.high_low_spread(high, low, close, 2)[2], np.mean(expected), rtol=1e-9)


def test_the_estimated_spread_finds_the_one_that_was_put_in() -> None:
    """Prices of a random walk without a spread, seen through a spread of 2 %: Roll's world, 390 trades a day."""
    rng = np.random.default_rng(5)
    fair = 50 * np.exp(np.cumsum(rng.normal(0, 0.02 / np.sqrt(390), (1_500, 390)).ravel())).reshape(1_500, 390)
    traded = fair * (1 + 0.01 * rng.choice([-1, 1], fair.shape))
    found = flow.high_low_spread(traded.max(1), traded.min(1), traded[:, -1].copy(), 1_499)[-1]
    assert 0.013 < found < 0.027


@pytest.mark.row("D13")
def test_liquidity_follows_the_flow_only_where_it_is_liquid() -> None:
    n = 30
    close = 10 + 0.01 * np.arange(n)
    bars = candles(*((c, c + 0.02, c - 0.02, c) for c in close), volume=[1_000.0] * n)
    settings = {"window": 5, "usual_window": 10, "flow_threshold": 0.5}

    def last(**changed: Any) -> int:
        return int(catalogue.get("liquidity")(**{**settings, **changed}).signals(bars)[-1])

    assert last() == 1, "every bar rises: all flow goes in"
    assert last(max_spread=0.0001) == 0, "the ranges tell of a wider spread"
    assert last(min_traded_value=1_000_000) == 0, "too little is traded"
    assert last(max_illiquidity=0.1) == 0, "no more liquid than usual"
    down = candles(*((c, c + 0.02, c - 0.02, c) for c in close[::-1]), volume=[1_000.0] * n)
    assert catalogue.get("liquidity")(**settings).signals(down)[-1] == -1
    silent = candles(*((c, c + 0.02, c - 0.02, c) for c in close), volume=[0.0] * n)
    strategy = catalogue.get("liquidity")(**settings)
    assert not strategy.signals(silent).any()
    assert strategy.explain(silent, -1).reasoning == "Nothing was traded, so it is not liquid."


# --- smart money ---------------------------------------------------------------------------------------------------

QUIET = [(10.0, 10.1, 9.9, 10.0)] * 4
BLOCK = (10.0, 10.05, 9.9, 9.95)  # the last bar that closed below its open
IMPULSE = (9.95, 10.6, 9.95, 10.55)  # closes above the highs of all before, 0.65 above the block's low


def blocks(*rows: tuple[float, float, float, float], **changed: Any) -> tuple[np.ndarray, ...]:
    bars = candles(*QUIET, *rows)
    settings = {"lookback": 3, "impulse_atr": 2.0, "impulse_bars": 2, "atr_period": 2}
    return order_blocks(bars.open, bars.high, bars.low, bars.close, **{**settings, **changed})


@pytest.mark.row("D13")
def test_an_order_block_from_its_impulse_to_the_return() -> None:
    away, back = (10.55, 10.7, 10.4, 10.6), (10.6, 10.6, 10.02, 10.1)
    low, high, _, _, returned = blocks(BLOCK, IMPULSE, away, back, back)
    assert np.isnan(low[:5]).all(), "before the impulse nobody can know the block"
    assert (low[5], high[5]) == (9.9, 10.05)
    assert (low[6], high[6]) == (9.9, 10.05)
    assert returned[4:].tolist() == [0, 0, 0, 1, 0], "the first return uses the zone up"
    assert np.isnan(low[7:]).all()
    through = (10.6, 10.6, 9.7, 9.8)
    assert blocks(BLOCK, IMPULSE, through, back)[4].tolist()[6:] == [0, 0], "closed through: the zone is gone"
    assert np.isnan(blocks(BLOCK, IMPULSE, impulse_atr=5.0)[0]).all(), "too small a move"
    assert np.isnan(blocks(BLOCK, away, impulse_bars=1)[0][:4]).all()
    up_only = [(10.0, 10.1, 9.9, 10.05), IMPULSE]
    assert np.isnan(blocks(*up_only)[0]).all(), "no down bar within the move"


@pytest.mark.row("D13")
def test_supply_zones_mirror_demand_zones() -> None:
    def mirrored(row: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        opened, high, low, close = (20 - px for px in row)
        return opened, low, high, close

    away, back = (10.55, 10.7, 10.4, 10.6), (10.6, 10.6, 10.02, 10.1)
    _, _, low, high, returned = blocks(*(mirrored(row) for row in (BLOCK, IMPULSE, away, back)))
    assert (low[5], high[5]) == (pytest.approx(9.95), pytest.approx(10.1))
    assert returned[4:].tolist() == [0, 0, 0, -1]


@pytest.mark.row("D13")
def test_volume_against_the_price_is_a_divergence() -> None:
    close = [10.0, 9.5, 9.6, 9.0, 9.1, 8.9]
    inflow = from_close(close, [0, 10, 500, 10, 500, 10])
    strategy = catalogue.get("smart_money")(trigger="divergence", divergence_window=5, min_price_change=0.05)
    assert strategy.signals(inflow).tolist() == [0, 0, 0, 0, 0, 1], "down 11 % while volume came on the rises"
    assert "a buy" in strategy.explain(inflow, -1).reasoning
    assert not strategy.signals(from_close(close, [0, 500, 10, 500, 10, 500])).any(), "a fall that volume confirms"
    mirrored = from_close([20 - px for px in close], [0, 10, 500, 10, 500, 10])
    assert strategy.signals(mirrored)[-1] == -1


# --- microstructure ------------------------------------------------------------------------------------------------


@pytest.mark.row("D13")
def test_microstructure_is_unavailable_without_quotes() -> None:
    strategy = catalogue.get("microstructure")()
    bars = walk(50)
    assert not strategy.signals(bars).any()
    assert strategy.explain(bars, -1).reasoning == "Unavailable: this bar has no bid and ask quotes."
    declared = catalogue.get("microstructure").declaration()
    assert declared["needs"] == ["quotes"]
    assert "no source here stores any" in declared["unavailable"]
    for refuse in (
        lambda: reading.refuse_unavailable(catalogue.get("microstructure")),
        lambda: reading.refuse_missing(strategy, {"WALK": bars}),
    ):
        with pytest.raises(InputError) as caught:
            refuse()
        assert (caught.value.faults[0].path, caught.value.faults[0].code) == ("strategy", "unavailable")


@pytest.mark.row("D13")
def test_microstructure_trades_imbalance_at_a_tight_spread() -> None:
    quotes = {
        "bid": [99.99, 99.99, 99.0, 99.99, 99.99],
        "ask": [100.01, 100.01, 101.0, 100.01, 99.0],
        "bid_size": [80, 20, 80, 50, 80],
        "ask_size": [20, 80, 20, 50, 20],
    }
    bars = from_close([100.0] * 5).with_extras(quotes)
    strategy = catalogue.get("microstructure")(window=1, max_spread_bps=2.5)
    reading.refuse_missing(strategy, {"TEST": bars})
    assert strategy.signals(bars).tolist() == [1, -1, 0, 0, 0], "the third is too wide, the last one crossed"
    assert strategy.lines(bars)["spread_bps"][0] == pytest.approx(2.0)
    assert strategy.lines(bars)["imbalance"][:2].tolist() == [0.6, -0.6]
    two = catalogue.get("microstructure")(window=2, max_spread_bps=2.5, imbalance_threshold=0.01)
    assert two.signals(bars).tolist() == [0, 0, 0, 1, 0], "0.6 and -0.6 cancel out; 0.6 and 0 make 0.3"
    without_sizes = from_close([100.0] * 5).with_extras({name: quotes[name] for name in ("bid", "ask")})
    assert not strategy.signals(without_sizes).any()
    assert "these quotes have no sizes" in strategy.explain(without_sizes, 0).reasoning


@pytest.mark.shared_data
@pytest.mark.row("D13")
def test_the_spread_of_real_quotes(shared_data: Path) -> None:
    table = np.genfromtxt(
        shared_data / "eurusd_1h_2015_2017.csv", delimiter=",", names=True, dtype=None, encoding="ascii"
    )
    names = {name.lower(): name for name in table.dtype.names}
    bid, ask = (
        table[next(names[name] for name in names if side in name and "close" in name)] for side in ("bid", "ask")
    )
    bars = from_close((bid + ask) / 2).with_extras({"bid": bid, "ask": ask})
    spread = catalogue.get("microstructure")().lines(bars)["spread_bps"]
    assert 0.05 < np.nanmedian(spread) < 5, "euro and dollar trade within a few hundredths of a percent"


# --- sentiment -----------------------------------------------------------------------------------------------------


def with_scores(strategy: Strategy, scores: list[tuple[float, float]], days: int = 6) -> Bars:
    """Flat days with news of these (day, score)."""
    news = Known.of((FIRST_DAY_NS + int(day * DAY_NS), score, "file") for day, score in scores)
    return attach(from_close([100.0] * days), news, strategy.extras())


@pytest.mark.row("D8")
def test_sentiment_follows_the_mean_of_the_last_days() -> None:
    strategy = catalogue.get("sentiment")(lookback_days=2, buy_threshold=0.2, sell_threshold=-0.2)
    bars = with_scores(strategy, [(0.5, 0.6), (1.5, -0.2), (2.5, -0.6)])
    # Means of the last two days: 0.6, 0.2, -0.4, -0.6, none, none.
    assert strategy.signals(bars).tolist() == [1, 1, -1, -1, 0, 0]
    told = strategy.explain(bars, 1)
    assert told.reasoning == "2 items of news in the last 2 days with a mean score of +0.20: at least 0.2."
    assert told.metadata["values"]["items"] == 2
    assert strategy.explain(bars, 5).reasoning == "0 items of news in the last 2 days, fewer than 1: no opinion."
    assert strategy.explain(bars, 1).confidence == 0.5 < strategy.explain(bars, 0).confidence == 0.75
    assert not catalogue.get("sentiment")(min_items=3).signals(with_scores(strategy, [(0.5, 0.9)])).any()
    synthetic = catalogue.get("sentiment")(source="synthetic")
    assert not synthetic.signals(with_scores(synthetic, [(0.5, 0.9)])).any(), "another source's news"


@pytest.mark.row("D8")
def test_sentiment_has_the_parameters_that_were_asked_for() -> None:
    declared = catalogue.get("sentiment")
    assert declared().parameters == {
        "lookback_days": 3, "buy_threshold": 0.2, "sell_threshold": -0.2, "source": "any", "min_items": 1,
    }  # fmt: skip
    assert [choice["value"] for choice in declared.params["source"].declaration()["choices"]] == [
        "any", "file", "synthetic",
    ]  # fmt: skip
    with pytest.raises(InputError) as caught:
        declared(buy_threshold=-0.5)
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [("sell_threshold", "conflict")]
    assert declared().explain(walk(5), -1).reasoning == "Unavailable: these bars come without news."
    window = Window("any", 3)
    assert declared().extras() == (window.score, window.count)


# --- real prices, and the indicators by route -----------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.row("D13", "F10")
def test_on_real_prices_the_sources_speak_now_and_then(shared_data: Path) -> None:
    for symbol in ("SPY", "IBM", "BAC"):
        bars = real_daily(shared_data, symbol)
        for slug in ("volume_surge", "liquidity", "smart_money"):
            strategy = catalogue.get(slug)()
            said = strategy.signals(bars)
            assert 0 < np.count_nonzero(said) < len(bars) / 2, (symbol, slug)
            assert {-1, 1} <= set(said.tolist())
            assert check(strategy, bars, points=40).ok
        spread = flow.high_low_spread(bars.high, bars.low, bars.close, 60)
        assert 0.0005 < np.nanmedian(spread) < 0.02


@pytest.mark.row("F10", "F11")
def test_net_flow_volatility_momentum_and_averages_by_one_call() -> None:
    bars = walk(100)
    for name, params, outputs in (
        ("net_flow", {"period": 10}, ["net_flow"]),
        ("volatility", {"period": 10}, ["volatility"]),
        ("momentum", {"period": 10}, ["momentum"]),
        ("moving_averages", {}, ["ma_5", "ma_10", "ma_20", "ma_30"]),
        ("flow_ratio", {"period": 10}, ["flow_ratio"]),
        ("illiquidity", {}, ["illiquidity"]),
        ("order_blocks", {}, ["demand_low", "demand_high", "supply_low", "supply_high", "returned"]),
    ):
        values = indicators.calculate(name, bars, **params)
        assert list(values) == outputs
        assert all(array.shape == (100,) for array in values.values())


@pytest.mark.django_db
@pytest.mark.row("F11")
def test_a_program_reads_what_there_is_to_compute(client: Client) -> None:
    assert client.get("/api/indicators").status_code == 401
    client.force_login(UserFactory())
    listed = client.get("/api/indicators").json()["indicators"]
    assert [entry["name"] for entry in listed] == [entry.name for entry in indicators.all()]
    rsi = next(entry for entry in listed if entry["name"] == "rsi")
    assert rsi["parameters"] == [param.declaration() for param in indicators.get("rsi").params.values()]
