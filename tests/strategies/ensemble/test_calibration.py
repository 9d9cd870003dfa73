"""Calibrated confidence is the hit rate of the past, as it was known on the bar."""

from __future__ import annotations

import numpy as np
import pytest

from strategies import catalogue
from strategies.ensemble.calibration import calibrate
from tests.strategies.series import walk

RNG = np.random.default_rng(3)
N = 400
CLOSE = 100 * np.exp(np.cumsum(RNG.normal(0, 0.01, N)))
RAW = RNG.random(N)
ENTRIES = RNG.choice([0, 0, 1, -1], N).astype(np.int8)


def by_hand(i: int, *, horizon: int, window: int, floor: int) -> tuple[float, int, bool]:
    """One bar, counted one signal at a time."""
    known = [j for j in range(i - horizon + 1) if ENTRIES[j] and j + horizon > i - window]
    right = {j: np.sign(CLOSE[j + horizon] - CLOSE[j]) == ENTRIES[j] for j in known}
    same = [j for j in known if int(RAW[j] * 5) == int(RAW[i] * 5)]
    if len(same) >= floor:
        return sum(right[j] for j in same) / len(same), len(same), False
    if len(known) >= floor:
        return sum(right.values()) / len(known), len(known), True
    return RAW[i], 0, False


@pytest.mark.row("D16")
@pytest.mark.parametrize(("horizon", "window", "floor"), [(5, 100, 8), (1, 40, 5), (10, 1_000, 30)])
def test_it_counts_as_by_hand(horizon: int, window: int, floor: int) -> None:
    found = calibrate(RAW, ENTRIES, CLOSE, horizon=horizon, window=window, floor=floor)
    answers = [by_hand(i, horizon=horizon, window=window, floor=floor) for i in range(N)]
    assert found.confidence.tolist() == [answer[0] for answer in answers]
    assert found.seen.tolist() == [answer[1] for answer in answers]
    assert found.whole.tolist() == [answer[2] for answer in answers]
    assert (found.seen > 0).any()
    assert (found.seen == 0).any()


@pytest.mark.row("D16")
def test_few_outcomes_change_nothing() -> None:
    found = calibrate(RAW[:20], ENTRIES[:20], CLOSE[:20], horizon=5, window=100, floor=50)
    assert np.array_equal(found.confidence, RAW[:20])
    assert not found.seen.any()
    assert not calibrate(RAW[:3], ENTRIES[:3], CLOSE[:3], horizon=5, window=100, floor=5).seen.any()


@pytest.mark.row("D16")
def test_an_ensemble_reads_its_own_past() -> None:
    members = [{"strategy": "mean_reversion", "parameters": {"threshold": 0.01}}, {"strategy": "bollinger"}]
    settings = {"members": members, "vote": "any", "calibrate": "history", "calibration_floor": 10}
    ensemble = catalogue.get("ensemble")(**settings)
    bars = walk(2_000)
    reading = ensemble.reading(bars)
    last = np.flatnonzero(reading.fired & (reading.calibrated.seen > 0))[-1]
    seen = ensemble.explain(bars, int(last)).metadata["evidence"]["confidence"]
    assert seen["outcomes"] >= 10
    assert 0 < seen["final"] < 1
    assert seen["final"] == ensemble.confidence(bars)[last]
    assert (seen["final"] * seen["outcomes"]) == pytest.approx(round(seen["final"] * seen["outcomes"])), "a hit rate"
    strict = catalogue.get("ensemble")(**settings, min_confidence=0.7)
    allowed = strict.signals(bars)
    entered = (allowed == 1) | (allowed == -1)
    assert (strict.confidence(bars)[entered] >= 0.7).all()
    assert entered.sum() < (np.abs(ensemble.signals(bars)) == 1).sum()
