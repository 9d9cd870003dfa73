"""An ensemble in words: what it does, for people who choose it, and why it said what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strategies.base import BUY, SELL
from strategies.ensemble.members import enabled_ones
from strategies.ensemble.validators import build

Verdict = tuple[str, bool, bool]  # label, whether a purchase passes, whether a sale does


def sentences(parameters: Mapping[str, Any]) -> dict[str, str]:
    """What makes it buy and what makes it sell, one sentence each, from cleaned or JSON parameters."""
    return {"buy": _sentence(parameters, "Buys", "buy"), "sell": _sentence(parameters, "Sells", "sell")}


def needed(parameters: Mapping[str, Any], says: str) -> str:
    """What counts as agreement: "at least 60 % of the weight says buy"."""
    count = len(enabled_ones(parameters["members"]))
    return {
        "weighted": f"at least {_percent(parameters['threshold'])} of the weight says {says}",
        "majority": f"more than half of its {count} members say {says}",
        "unanimous": f"all of its {count} members say {says}",
        "any": f"any of its {count} members says {says}",
    }[parameters["vote"]]


def reason(parameters: Mapping[str, Any], action: str, at: Mapping[str, float], verdicts: Sequence[Verdict]) -> str:
    """One bar's sentence. at: its lines buy, sell, sure and agreed (NaN or missing before the members are ready)."""
    buy, sell, sure, agreed = (at.get(name, float("nan")) for name in ("buy", "sell", "sure", "agreed"))
    votes = f"{_percent(buy)} of the weight says buy, {_percent(sell)} sell"
    if agreed not in (BUY, SELL):
        return f"{votes}." if action != "HOLD" else f"{votes}; it acts when {needed(parameters, 'the same')}."
    side = 1 if agreed == BUY else 2
    refused = [f"the {verdict[0].lower()}" for verdict in verdicts if not verdict[side]]
    if sure < parameters["min_confidence"]:
        refused.append(f"the least confidence of {parameters['min_confidence']:.2f}")
    if refused:
        return f"{votes}; confidence {sure:.2f}. A new position is refused by {_listed(refused)}."
    said = "" if action != "HOLD" else " That was said on an earlier bar, and no member has said it again."
    return f"{votes}; confidence {sure:.2f}.{said}"


def _sentence(parameters: Mapping[str, Any], verb: str, says: str) -> str:
    hold = parameters["hold_for_bars"]
    within = f" within {hold} bars" if hold > 1 else " on the same bar"
    conditions = [f"{needed(parameters, says)}{within}"]
    if parameters["min_confidence"] > 0:
        conditions.append(f"the confidence is at least {_percent(parameters['min_confidence'])}")
    asked = parameters["validators"] if parameters["validator_enabled"] else ()
    labels = [build(entry).label.lower() for entry in asked if entry["enabled"]]
    if labels:
        conditions.append(f"the {_listed(labels)} {'agrees' if len(labels) == 1 else 'agree'}")
    return f"{verb} when {_listed(conditions)}."


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.4g} %"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
