"""What a decision of an ensemble rests on, vote by vote; JSON-ready, as a session's ledger keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from strategies.base import ACTIONS, BUY, EXITS, SELL, utc
from strategies.ensemble.words import needed

if TYPE_CHECKING:
    from engine import Bars
    from strategies.ensemble.strategy import Ensemble, Reading


def evidence(ensemble: Ensemble, bars: Bars, places: list[int]) -> list[dict[str, Any]]:
    """One object a place:

    kind "ensemble"; vote, needs (agreement in words), threshold; buy, sell (shares of the weight, 0..1); agreed, said
    ("BUY", "SELL", "EXIT_LONG", …, "" for nothing): what the members agree on, and what was said of it; news: whether
    this bar is the one to say it on; confidence {voted, final, outcomes, needs}, outcomes null where none are asked;
    members [{name, strategy, timeframe, weight, share, ready, says, confidence, since, evidence}];
    validators [{type, label, values, buy {passes, needs}, sell {passes, needs}}].
    """
    reading = ensemble.reading(bars)
    nested = _nested(ensemble, reading, places)
    return [_one(ensemble, reading, bars, i, nested[k]) for k, i in enumerate(places)]


def code_word(code: int) -> str:
    """A signal's code as one word; "" where it says nothing."""
    return f"EXIT_{EXITS[code].upper()}" if code in EXITS else ACTIONS[code] if code else ""


def _one(ensemble: Ensemble, reading: Reading, bars: Bars, i: int, nested: list[Any]) -> dict[str, Any]:
    tally, calibrated = reading.tally, reading.calibrated
    outcomes = int(calibrated.seen[i]) if calibrated is not None else None
    return {
        "kind": ensemble.slug,
        "vote": ensemble.vote,
        "needs": needed(ensemble.parameters, "the same"),
        "threshold": ensemble.threshold if ensemble.vote == "weighted" else None,
        "buy": float(tally.close_short[i]),
        "sell": float(tally.close_long[i]),
        "agreed": code_word(int(tally.agreed[i])),
        "news": bool(reading.fired[i]),
        "said": code_word(int(reading.signals[i])),
        "confidence": {
            "voted": float(tally.confidence[i]),
            "final": float(reading.confidence[i]),
            "outcomes": outcomes,
            "needs": ensemble.min_confidence,
        },
        "members": [
            _member(voter, answer, i, inner)
            for voter, answer, inner in zip(ensemble.voters, reading.answers, nested, strict=True)
        ],
        "validators": [
            _validator(validator, bars, values, i)
            for validator, values in zip(ensemble.judges, reading.series, strict=True)
        ],
    }


def _member(voter: Any, answer: Any, i: int, inner: Any) -> dict[str, Any]:
    member, share = voter
    opinion, said_at = answer.opinion, int(answer.opinion.said_at[i])
    return {
        "name": member.name,
        "strategy": member.strategy.slug,
        "timeframe": member.timeframe,
        "weight": member.weight,
        "share": share,
        "ready": bool(opinion.ready[i]),
        "says": code_word(int(opinion.state[i])),
        "confidence": float(opinion.confidence[i]),
        "since": _closed(answer.bars, said_at) if said_at >= 0 else None,
        "evidence": inner,
    }


def _validator(validator: Any, bars: Bars, series: Any, i: int) -> dict[str, Any]:
    at = {"close": float(bars.close[i]), **{name: float(values[i]) for name, values in series.items()}}
    sides = {
        word: {"passes": bool(validator.passes(at, side)), "needs": validator.limit(side)}
        for word, side in (("buy", BUY), ("sell", SELL))
    }
    values = {name: value if np.isfinite(value) else None for name, value in at.items()}
    return {"type": validator.slug, "label": validator.label, "values": values, **sides}


def _nested(ensemble: Ensemble, reading: Reading, places: list[int]) -> list[list[Any]]:
    """For each place and member, what the member's own opinion rested on when it was said; None where that is all."""
    columns = []
    for (member, _), answer in zip(ensemble.voters, reading.answers, strict=True):
        said = [int(answer.opinion.said_at[i]) for i in places]
        spoken = sorted({at for at in said if at >= 0})
        found = dict(zip(spoken, member.strategy.evidence(answer.bars, spoken), strict=True)) if spoken else {}
        columns.append([found.get(at) for at in said])
    return [[column[k] for column in columns] for k in range(len(places))]


def _closed(bars: Bars, i: int) -> str:
    """When a bar had closed: its end, or that of its session if that came first."""
    from engine.resample import close_times

    return utc(int(close_times(bars[i : i + 1])[0])).isoformat().replace("+00:00", "Z")
