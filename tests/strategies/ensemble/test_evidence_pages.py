"""What a decision rested on, as the pages of sessions and backtests show it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from django.template.loader import render_to_string

from strategies import catalogue
from tests.strategies.ensemble.test_ensemble import EVERYTHING
from tests.strategies.series import walk
from tests.strategies.trees import ABOVE_SMA


def shown(evidence: object) -> str:
    """The part as pages include it, its words with single spaces. The ledger hands back what JSON holds."""
    page = render_to_string("strategies/parts/votes.html", {"evidence": json.loads(json.dumps(evidence))})
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.row("D13", "D14", "D15", "D16")
def test_every_vote_and_verdict_of_a_decision() -> None:
    ensemble = catalogue.get("ensemble")(**EVERYTHING)
    bars = walk(1_200, timeframe="1m", cents=False)
    reading = ensemble.reading(bars)
    coarse = reading.answers[2].opinion.state != 0
    at = int(np.flatnonzero(reading.fired & coarse & (reading.calibrated.seen > 0))[-1])
    evidence = ensemble.explain(bars, at).metadata["evidence"]
    text = shown(evidence)
    for member in evidence["members"]:
        assert member["name"] in text
        assert f"{member['share'] * 100:.4g} % of the weight" in text
    assert "(15m)" in text
    assert f"earlier signals like this one that were right (voted {evidence['confidence']['voted']:.2f})" in text
    for validator in evidence["validators"]:
        assert validator["label"] in text
        assert f"needs {validator['buy']['needs']}" in text
    assert ("✕ to buy" in text) == (not all(each["buy"]["passes"] for each in evidence["validators"]))


def test_of_nested_members_theirs() -> None:
    inner = {"members": [{"strategy": "mean_reversion", "name": "Deep inside"}, {"strategy": "mean_reversion"}]}
    tree = {"strategy": "conditions", "parameters": {"buy": ABOVE_SMA}, "name": "By rule"}
    members = [{"strategy": "ensemble", "parameters": inner, "name": "Inner"}, tree]
    ensemble = catalogue.get("ensemble")(members=members, vote="any", hold_for_bars=20)
    bars = walk(600)
    states = [answer.opinion.state != 0 for answer in ensemble.reading(bars).answers]
    at = int(np.flatnonzero(states[0] & states[1])[-1])
    text = shown(ensemble.evidence(bars, [at])[0])
    assert text.count("What that rested on") >= 2
    assert "Deep inside" in text
    assert "✓ true" in text


@pytest.mark.row("D18")
def test_probability_and_features_of_the_model() -> None:
    signals = catalogue.get("ai_enhanced")().generate_signals(walk(600))
    text = shown(signals[-1].metadata["evidence"])
    evidence = signals[-1].metadata["evidence"]
    assert f"a probability of {evidence['probability'] * 100:.4g} %" in text
    for feature in evidence["features"]:
        assert feature["label"] in text
    assert "Fitted on" in text


@pytest.mark.parametrize("other", [None, {}, [], "text", {"kind": "other"}, {"buy": {"is": True}}])
def test_other_evidence_shows_nothing(other: object) -> None:
    assert shown(other) == ""
