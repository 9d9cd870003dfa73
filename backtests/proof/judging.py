"""From figures to findings: the limits of each test, and what it means in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backtests.proof import paths, sharpe
from backtests.proof.findings import DOUBT, FAIL, NOT_APPLICABLE, PASS, Finding, graded

Floats = NDArray[np.float64]

DRAWS: Final = 1_000
FEWEST_TRADES: Final = 10
FEWEST_DAYS: Final = 60
FAILS_UNDER: Final = 0.90  # of a probability
_BARS: Final = 40  # of a histogram


@dataclass(frozen=True, slots=True)
class Step:
    """One window of a walk. in_sample, out_of_sample: Sharpe ratios a year. returns: daily, of the test stretch.
    chosen: the parameters that did best in training; changed: whether they are others than the owner's."""

    first_day: str
    last_day: str
    in_sample: float
    out_of_sample: float
    returns: Floats
    chosen: dict[str, Any] = field(default_factory=dict)
    changed: bool = False

    @property
    def return_pct(self) -> float:
        return float(np.prod(1.0 + self.returns) - 1.0) * 100.0


def walk_forward(name: str, steps: Sequence[Step], candidates: int, periods: float) -> Finding:
    """name: "rolling" or "anchored". periods: days a year."""
    label = f"Walk-forward, {name}"
    limits = "passes when the tests keep half of the training Sharpe ratio and most of them earn; fails without profit"
    if not steps:
        return _too_little(f"walk_forward_{name}", label, "ratio", limits, "days", "20")
    pooled = np.concatenate([step.returns for step in steps])
    year = math.sqrt(periods)
    after, before = sharpe.per_period(pooled) * year, float(np.mean([step.in_sample for step in steps]))
    kept = after / before if before > 0 else 0.0
    won = sum(step.return_pct > 0 for step in steps)
    if after <= 0:
        verdict = FAIL
        meaning = "Parameters chosen on the past earned nothing on the time that followed: what was found did not last."
    else:
        verdict = PASS if kept >= 0.5 and won * 3 >= len(steps) * 2 else DOUBT
        share = f"{kept * 100.0:.0f} % of its strength" if kept <= 1 else "all of its strength"
        meaning = (
            f"Chosen anew on the past each time, it kept {share} on the time that followed, and earned in {won} of "
            f"{len(steps)} windows."
        )
    chart = {
        "kind": "windows",
        "windows": [
            {
                "first_day": step.first_day,
                "last_day": step.last_day,
                "in_sample": round(step.in_sample, 4),
                "out_of_sample": round(step.out_of_sample, 4),
                "return_pct": round(step.return_pct, 4),
                "parameters": step.chosen,
                "changed": step.changed,
            }
            for step in steps
        ],
    }
    details = {"out_of_sample_sharpe": after, "in_sample_sharpe": before, "won": won, "candidates": candidates}
    return Finding(f"walk_forward_{name}", label, verdict, kept, "ratio", limits, meaning, chart, details)


def trade_order(trades: Floats, rng: np.random.Generator) -> Finding:
    """The deepest fall that the same trades would have brought in 95 of 100 other orders."""
    limits = "passes up to a fall of 30 %, fails above 50 %"
    if len(trades) < FEWEST_TRADES:
        return _too_little("trade_order", "Trades in another order", "pct", limits, "closed trades", str(FEWEST_TRADES))
    falls = paths.shuffled(trades, DRAWS, rng)
    seen = float(paths.drawdown_pct(np.cumprod(1.0 + trades)[None, :])[0])
    bad = float(np.percentile(falls, 95))
    meaning = (
        f"In 95 of 100 orders of the same trades the deepest fall stays under {bad:.1f} %; in the order that happened "
        f"it was {seen:.1f} %."
    )
    chart = {"kind": "histogram", **_histogram(falls), "mark": round(seen, 4), "unit": "pct"}
    verdict = graded(bad, passes=30.0, fails=50.0)
    details = {"observed_pct": seen, "median_pct": float(np.median(falls)), "trades": len(trades)}
    return Finding("trade_order", "Trades in another order", verdict, bad, "pct", limits, meaning, chart, details)


def bootstrap(returns: Floats, rng: np.random.Generator) -> Finding:
    """The share of redrawn histories that end with a loss."""
    limits = "passes up to 5 % of histories with a loss, fails above 20 %"
    name, label = "bootstrap", "Histories drawn again"
    if len(returns) < FEWEST_DAYS:
        return _too_little(name, label, "pct", limits, "days", str(FEWEST_DAYS))
    block = max(2.0, len(returns) ** (1 / 3))
    drawn = paths.bootstrapped(returns, DRAWS, block, rng)
    lost = float((drawn["final"] <= 1.0).mean()) * 100.0
    low, high = (float(np.percentile(drawn["final"], pct) - 1.0) * 100.0 for pct in (5, 95))
    meaning = (
        f"Its days drawn again in blocks end with a loss in {lost:.1f} % of {DRAWS:,} histories; nine of ten end "
        f"between {low:+.1f} % and {high:+.1f} %."
    )
    chart = {"kind": "fan", **drawn["fan"], "path": _thinned(np.cumprod(1.0 + returns), drawn["fan"]["at"])}
    details = {
        "final_5_pct": low,
        "final_95_pct": high,
        "drawdown_95_pct": float(np.percentile(drawn["drawdown_pct"], 95)),
        "block_days": block,
    }
    return Finding(name, label, graded(lost, passes=5.0, fails=20.0), lost, "pct", limits, meaning, chart, details)


def cost_stress(growth: dict[int, float], *, assumed: bool) -> Finding:
    """growth: final equity over starting, by how many times the costs were charged (1, 2, 4)."""
    limits = "passes with a profit at four times the costs, fails without one at twice"
    gains = {factor: (value - 1.0) * 100.0 for factor, value in growth.items()}
    verdict = FAIL if gains[2] <= 0 else PASS if gains[4] > 0 else DOUBT
    base = (
        "It was run without costs, so 0.05 % slippage and 0.05 % commission of each fill are taken as the single ones. "
        if assumed
        else ""
    )
    meaning = (
        f"{base}It ends with {gains[1]:+.1f} % at single, {gains[2]:+.1f} % at double and {gains[4]:+.1f} % at four "
        "times the costs."
    )
    rows = [{"label": f"×{factor}", "value": round(gain, 4)} for factor, gain in gains.items()]
    chart = {"kind": "bars", "rows": rows, "unit": "pct"}
    details = {"assumed": assumed, **{f"return_{factor}_pct": gain for factor, gain in gains.items()}}
    return Finding("cost_stress", "Higher costs", verdict, gains[2], "pct", limits, meaning, chart, details)


def neighbourhood(own: float, moved: Sequence[tuple[str, int, Any, float]], labels: dict[str, str]) -> Finding:
    """own: the Sharpe ratio a year. moved: (parameter, steps, value, Sharpe ratio) of each neighbour."""
    limits = "passes when the middle neighbour keeps 70 % of the Sharpe ratio, fails under 40 %"
    name, label = "neighbourhood", "Parameters beside the chosen ones"
    if not moved:
        meaning = "It has no numbers to move, so there is no peak that it could stand on."
        return Finding(name, label, NOT_APPLICABLE, None, "ratio", limits, meaning)
    values = np.array([one[3] for one in moved])
    ratio = float(np.median(values)) / own if own > 0 else 0.0
    earning = int((values > 0).sum())
    verdict = graded(ratio, passes=0.7, fails=0.4) if own > 0 else FAIL
    ground = {PASS: "a plateau", DOUBT: "a slope", FAIL: "a peak"}[verdict]
    meaning = (
        f"It stands on {ground}: the middle one of {len(moved)} neighbours keeps {max(ratio, 0.0) * 100.0:.0f} % of "
        f"its Sharpe ratio, and {earning} of them earn."
    )
    if own <= 0:
        meaning = "Its own Sharpe ratio is not above zero, so there is nothing that its neighbours could keep."
    names = list(dict.fromkeys(one[0] for one in moved))
    rows = [
        {
            "parameter": parameter,
            "label": labels[parameter],
            "cells": [
                {"steps": steps, "value": value, "sharpe": round(figure, 4)}
                for at, steps, value, figure in moved
                if at == parameter
            ],
        }
        for parameter in names
    ]
    chart = {"kind": "strip", "rows": rows, "own": round(own, 4)}
    details = {"own_sharpe": own, "neighbours": len(moved), "earning": earning, "worst_sharpe": float(values.min())}
    return Finding(name, label, verdict, ratio, "ratio", limits, meaning, chart, details)


def entry_significance(p_value: float | None, real: float, random: Floats, trades: int) -> Finding:
    """p_value: None for too few trades. real, random: summed log gains of the real and of the random entries."""
    limits = "passes up to 0.05, fails above 0.10"
    name, label = "entries", "Against random entries"
    if p_value is None:
        return _too_little(name, label, "p_value", limits, "closed trades", str(FEWEST_TRADES))
    better = float((random < real).mean()) if len(random) else 0.0
    meaning = (
        f"Its {trades} entries did better than {better * 100.0:.1f} % of {DRAWS:,} random sets, held as long and as "
        "often in the same market."
    )
    chart = {"kind": "histogram", **_histogram(random * 100.0), "mark": round(real * 100.0, 4), "unit": "pct"}
    verdict = graded(p_value, passes=0.05, fails=0.10)
    return Finding(name, label, verdict, p_value, "p_value", limits, meaning, chart, {"better_than": better})


def probabilistic_sharpe(returns: Floats, periods: float) -> Finding:
    limits = "passes from 0.95, fails under 0.90"
    name, label = "probabilistic_sharpe", "Sharpe ratio above zero"
    if len(returns) < FEWEST_DAYS:
        return _too_little(name, label, "probability", limits, "days", str(FEWEST_DAYS))
    chance = sharpe.probabilistic(returns)
    year = sharpe.per_period(returns) * math.sqrt(periods)
    meaning = (
        f"Its Sharpe ratio of {year:.2f} a year, over {len(returns):,} days with their skew and fat tails, is truly "
        f"above zero with a probability of {_near(chance)}."
    )
    chart = {"kind": "gauge", "value": round(chance, 6), "passes": sharpe.SURE, "fails": FAILS_UNDER}
    verdict = graded(chance, passes=sharpe.SURE, fails=FAILS_UNDER)
    return Finding(name, label, verdict, chance, "probability", limits, meaning, chart, {"sharpe": year})


def deflated_sharpe(returns: Floats, trials: int, periods: float) -> Finding:
    limits = "passes from 0.95, fails under 0.90"
    name, label = "deflated_sharpe", "Sharpe ratio above luck"
    if len(returns) < FEWEST_DAYS:
        return _too_little(name, label, "probability", limits, "days", str(FEWEST_DAYS))
    chance, hurdle = sharpe.deflated(returns, trials), sharpe.hurdle_of(trials, len(returns))
    year = math.sqrt(periods)
    tried = "one variant" if trials == 1 else f"{trials:,} variants"
    meaning = (
        f"You tried {tried} on these data; luck alone would have shown {hurdle * year:.2f} a year in the best of them. "
        f"It is truly above that with a probability of {_near(chance)}."
    )
    chart = {"kind": "gauge", "value": round(chance, 6), "passes": sharpe.SURE, "fails": FAILS_UNDER}
    details = {"trials": trials, "hurdle_sharpe": hurdle * year, "sharpe": sharpe.per_period(returns) * year}
    details["moments"] = sharpe.moments(returns)
    verdict = graded(chance, passes=sharpe.SURE, fails=FAILS_UNDER)
    return Finding(name, label, verdict, chance, "probability", limits, meaning, chart, details)


def _too_little(name: str, label: str, unit: str, limits: str, what: str, least: str) -> Finding:
    """What cannot be told is no pass."""
    meaning = f"There are too few {what} to tell anything: it takes {least}. Test it on a longer history."
    return Finding(name, label, DOUBT, None, unit, limits, meaning)


def _histogram(values: Floats) -> dict[str, Any]:
    counts, edges = np.histogram(values, bins=_BARS)
    return {"counts": counts.tolist(), "edges": [round(float(edge), 4) for edge in edges]}


def _thinned(values: Floats, at: Sequence[float]) -> list[float]:
    n = len(values)
    return [round(float(values[min(max(round(share * n) - 1, 0), n - 1)]), 5) for share in at]


def _near(chance: float) -> str:
    """A probability without the claim of certainty."""
    return "more than 99.9\N{NO-BREAK SPACE}%" if chance > 0.999 else f"{chance * 100.0:.1f} %"
