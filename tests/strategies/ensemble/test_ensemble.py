"""The ensemble as the platform meets it: no look ahead, what it shows, what it explains, how it is described."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from strategies import catalogue
from strategies.causality import check
from strategies.ensemble import sentences
from strategies.ensemble.members import SLUG
from tests.strategies.series import from_close, furnished, walk

EVERYTHING: dict[str, Any] = {
    "members": [
        {"strategy": "ma_crossover", "parameters": {"fast_window": 5, "slow_window": 12}},
        {"strategy": "mean_reversion", "parameters": {"threshold": 0.002}, "weight": 30, "name": "Small dips"},
        {"strategy": "bollinger", "weight": 40, "timeframe": "15m"},
        {
            "strategy": SLUG,
            "parameters": {"members": [{"strategy": "momentum"}, {"strategy": "rsi_bollinger"}], "vote": "any"},
        },
    ],
    "threshold": 0.15,
    "hold_for_bars": 8,
    "strategy_weight_balance": 0.7,
    "calibrate": "history",
    "calibration_floor": 5,
    "calibration_bars": 500,
    "min_confidence": 0.05,
    "validators": [
        {"type": "trend", "window": 30, "min_adx": 5},
        {"type": "volatility", "lookback": 60},
        {"type": "liquidity", "min_ratio": 0.1},
        {"type": "regime", "efficiency": 0.1},
    ],
}


@pytest.mark.row("D13", "D14", "D15", "D16", "W8")
@pytest.mark.parametrize("vote", ["weighted", "majority", "unanimous", "any"])
def test_it_looks_at_no_later_bar(vote: str) -> None:
    ensemble = catalogue.get(SLUG)(**{**EVERYTHING, "vote": vote})
    bars = walk(1_200, timeframe="1m", cents=False)
    report = check(ensemble, bars, points=150)
    assert report.ok, report.problems
    assert np.count_nonzero(ensemble.signals(bars)) > 0 or vote == "unanimous"
    assert not ensemble.signals(bars)[: ensemble.warmup() - 1].any()


@pytest.mark.row("D13", "W8")
def test_of_the_signal_sources_with_some_switched_off() -> None:
    sources = ["volume_surge", "liquidity", "smart_money", "sentiment"]
    members = [{"strategy": slug, "enabled": slug != "smart_money"} for slug in sources]
    ensemble = catalogue.get(SLUG)(members=members, vote="any", hold_for_bars=2)
    bars = furnished(ensemble, walk(900))
    report = check(ensemble, bars, points=80)
    assert report.ok, report.problems
    told = ensemble.evidence(bars, np.flatnonzero(ensemble.signals(bars)).tolist())
    spoken = {member["strategy"] for one in told for member in one["members"] if member["says"]}
    assert {"liquidity", "sentiment"} <= spoken
    assert "smart_money" not in spoken


@pytest.mark.row("D8", "D13", "G15", "W8")
def test_news_reach_a_member_on_coarser_bars() -> None:
    small = {"buy_threshold": 0.01, "sell_threshold": -0.01}
    hourly = {"strategy": "sentiment", "timeframe": "1h", "parameters": small}
    members = [hourly, {"strategy": "ma_crossover", "enabled": False}]
    ensemble = catalogue.get(SLUG)(members=members, vote="any", hold_for_bars=1)
    bars = furnished(ensemble, walk(1_500, timeframe="1m"))
    report = check(ensemble, bars, points=80)
    assert report.ok, report.problems
    assert np.count_nonzero(ensemble.signals(bars)) > 0


@pytest.mark.row("D22")
@pytest.mark.parametrize("n", [0, 1, 5, 12])
def test_too_little_history_gives_no_signal(n: int) -> None:
    ensemble = catalogue.get(SLUG)(**EVERYTHING)
    bars = walk(1_200, timeframe="1m")[:n]
    assert ensemble.signals(bars).tolist() == [0] * n
    assert ensemble.confidence(bars).tolist() == [0.0] * n
    assert len(ensemble.scored_signals(bars)) == n
    if n:
        assert "Not enough history" in ensemble.explain(bars, -1).reasoning


@pytest.mark.row("D14", "D15", "D16")
def test_every_bar_explains_itself() -> None:
    ensemble = catalogue.get(SLUG)(**EVERYTHING)
    bars = walk(1_200, timeframe="1m", cents=False)
    reading = ensemble.reading(bars)
    told = ensemble.evidence(bars, list(range(len(bars))))
    json.dumps(told, allow_nan=False)
    for i in range(400, 1_200):
        one = told[i]
        says = {"buy": ("BUY", "EXIT_SHORT", "EXIT_ANY"), "sell": ("SELL", "EXIT_LONG", "EXIT_ANY")}
        for side, codes in says.items():
            shares = sum(member["share"] for member in one["members"] if member["says"] in codes)
            assert one[side] == pytest.approx(shares)
        voted = sum(
            member["share"]
            * member["confidence"]
            * ((member["says"] in says["buy"]) - (member["says"] in says["sell"]))
            for member in one["members"]
        )
        if one["agreed"] in ("BUY", "EXIT_SHORT"):
            assert one["confidence"]["voted"] == pytest.approx(max(voted, 0))
            assert one["buy"] >= one["threshold"] - 1e-9
        passes = all(verdict["buy"]["passes"] for verdict in one["validators"])
        assert passes == reading.passes[1][i]
        enough = one["confidence"]["final"] >= one["confidence"]["needs"]
        if one["agreed"] == "BUY" and one["news"]:
            assert one["said"] == ("BUY" if passes and enough else "EXIT_SHORT")
        assert (one["said"] == "") == (ensemble.signals(bars)[i] == 0)
    seen = {one["said"] for one in told}
    assert {"BUY", "SELL", ""} <= seen
    inner = [one["members"][3]["evidence"] for one in told if one["members"][3]["says"]]
    assert inner
    assert all(evidence["kind"] == SLUG and len(evidence["members"]) == 2 for evidence in inner)
    coarse = next(one["members"][2] for one in reversed(told) if one["members"][2]["says"])
    assert coarse["timeframe"] == "15m"
    assert coarse["since"].endswith(":00Z")


@pytest.mark.row("D1", "D15")
def test_the_reason_names_votes_and_who_refused() -> None:
    falling = from_close(np.concatenate([np.full(40, 100.0), 100 * 0.99 ** np.arange(1, 30)]))
    members = [{"strategy": "mean_reversion"}, {"strategy": "mean_reversion"}]
    ensemble = catalogue.get(SLUG)(members=members, validators=[{"type": "trend", "window": 20, "min_adx": 0}])
    signals = ensemble.generate_signals(falling)
    assert signals
    assert signals[0].reasoning.startswith("100 % of the weight says buy, 0 % sell; confidence 0.")
    assert signals[0].reasoning.endswith("A new position is refused by the trend filter.")
    assert (signals[0].action, signals[0].exits) == ("BUY", "short")
    quiet = ensemble.explain(from_close(np.full(60, 100.0)), -1)
    assert quiet.action == "HOLD"
    assert quiet.reasoning == (
        "0 % of the weight says buy, 0 % sell; it acts when at least 50 % of the weight says the same."
    )
    assert quiet.metadata["evidence"]["needs"] == "at least 50 % of the weight says the same"


def test_a_chart_gets_the_votes_and_what_the_validators_read() -> None:
    ensemble = catalogue.get(SLUG)(**EVERYTHING)
    overlays = ensemble.overlays(walk(300, timeframe="1m"))
    assert [overlay["label"] for overlay in overlays][:3] == ["Votes to buy", "Votes to sell", "Confidence"]
    assert "Trend filter: average" in [overlay["label"] for overlay in overlays]
    assert {overlay["pane"] for overlay in overlays} == {"own", "price"}
    assert len({overlay["name"] for overlay in overlays}) == len(overlays)


def test_in_a_sentence() -> None:
    settings = {
        "members": [{"strategy": "momentum"}, {"strategy": "bollinger"}],
        "threshold": 0.6,
        "validators": [{"type": "trend"}],
    }
    parameters = catalogue.get(SLUG)(**settings).parameters
    assert sentences(parameters) == {
        "buy": "Buys when at least 60 % of the weight says buy within 3 bars and the trend filter agrees.",
        "sell": "Sells when at least 60 % of the weight says sell within 3 bars and the trend filter agrees.",
    }
    more = {
        **settings,
        "vote": "any",
        "hold_for_bars": 1,
        "min_confidence": 0.25,
        "validators": [{"type": "regime"}] * 2,
    }
    assert sentences(catalogue.get(SLUG)(**more).parameters)["buy"] == (
        "Buys when any of its 2 members says buy on the same bar, the confidence is at least 25 % "
        "and the regime filter and regime filter agree."
    )


def test_its_version_follows_its_members() -> None:
    """A change of any strategy may change an ensemble, and its stored results say which version they are of."""
    ensemble = catalogue.get(SLUG)
    assert len(ensemble.version()) == 12
    known = {entry.slug: entry.version() for entry in catalogue.all()}
    assert len(set(known.values())) == len(known)


def test_it_says_how_much_history_it_needs() -> None:
    ensemble = catalogue.get(SLUG)(members=[{"strategy": "momentum"}, {"strategy": "bollinger", "timeframe": "1d"}])
    assert ensemble.bars_needed("1m", "24/7") >= 20 * 1_440
    assert ensemble.bars_needed("1h", "24/7") >= 20 * 24
    assert ensemble.bars_needed("1d", "XNYS") < 30
    learned = catalogue.get(SLUG)(
        members=[{"strategy": "momentum"}] * 2, calibrate="history", calibration_bars=300, calibration_horizon=7
    )
    assert learned.bars_needed("1m", "XNYS") >= 307
