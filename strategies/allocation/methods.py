"""The ways of choosing weights, one class each. A further method is one more class here, or in any module that is
imported: forms, the API and the `allocation` strategy take their choices from the registry."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from engine.errors import Fault, InputError
from strategies.allocation import solving
from strategies.allocation.feasible import refuse_infeasible
from strategies.allocation.moments import moments
from strategies.allocation.problem import Array, Problem, refuse_bad

# Weights are kept to as many decimals: what is below is the solver's noise.
DECIMALS = 8
_WITHIN = 1e-6


class Method:
    """Base of every method. A subclass gives `slug`, `label`, a docstring that users read, and `solve`.

    invested: its weights add up to 1; else to 0..1 and the rest is cash. needs_covariance: it reads how returns move.
    long_only: it has no answer with negative weights. fits: its answer meets the limits by itself; else the nearest
    weights that do are taken.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    invested: ClassVar[bool] = True
    needs_covariance: ClassVar[bool] = True
    long_only: ClassVar[bool] = False
    fits: ClassVar[bool] = True

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        """The weights, one a symbol. mu, cov: per bar; NaN where not `needs_covariance`. Raises InputError."""
        raise NotImplementedError

    def beliefs(self, problem: Problem, mu: Array, cov: Array) -> tuple[Array, Array]:
        """(mean, covariance) per bar that it weighs by: as they were estimated, unless a method bends them."""
        return mu, cov

    @classmethod
    def describe(cls) -> str:
        """The docstring on one line."""
        return " ".join(inspect.cleandoc(cls.__doc__ or "").split())


M = TypeVar("M", bound=type[Method])
_registry: dict[str, type[Method]] = {}


def register(cls: M) -> M:
    """Class decorator: makes a method selectable by its slug. Raises ValueError where it is taken or undeclared."""
    if not (getattr(cls, "slug", "") and getattr(cls, "label", "") and cls.__doc__):
        raise ValueError(f"{cls.__name__} declares no slug, label or docstring")
    taken = _registry.get(cls.slug)
    if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"the slug {cls.slug!r} is taken by {taken.__qualname__}")
    _registry[cls.slug] = cls
    return cls


def registered() -> dict[str, type[Method]]:
    """Every method by slug, in the order of forms. A copy."""
    return dict(_registry)


@dataclass(frozen=True, slots=True)
class Weights:
    """The answer. values: one a symbol of `symbols`; cash: 1 - their sum; mean, covariance: per bar, as they were used
    (None where the method reads none)."""

    method: str
    symbols: tuple[str, ...]
    values: Array
    mean: Array | None
    covariance: Array | None

    @property
    def cash(self) -> float:
        return round(1.0 - float(self.values.sum()), 6) + 0.0

    def as_dict(self) -> dict[str, float]:
        """Weights by symbol."""
        return dict(zip(self.symbols, self.values.tolist(), strict=True))


def allocate(method: str, problem: Problem) -> Weights:
    """Weights by one method under the problem's limits.

    Raises InputError: bad data, limits in conflict (one fault for each of them, code ``infeasible``), or a method that
    has no answer here.
    """
    chosen = _registry.get(method)
    if chosen is None:
        message = f"There is no method {method!r}."
        raise InputError(Fault("method", "unknown_choice", message, f"One of: {', '.join(_registry)}."))
    refuse_bad(problem, needs_covariance=chosen.needs_covariance)
    low, _ = problem.least_and_most()
    if chosen.long_only and low.min() < 0:
        message = f"{chosen.label} has no short positions, and a weight may be {low.min():.4g}."
        raise InputError(Fault("min_weight", "conflict", message, "At least 0."))
    refuse_infeasible(problem, invested=chosen.invested)
    mu = cov = None
    if chosen.needs_covariance:
        mu, cov = moments(problem)
    unread = np.full(problem.n, np.nan)
    found = chosen().solve(
        problem, unread if mu is None else mu, np.full((problem.n, problem.n), np.nan) if cov is None else cov
    )
    if not chosen.fits and not _within(problem, found, chosen.invested):
        found = solving.nearest(problem, found, invested=chosen.invested)
    if not _within(problem, found, chosen.invested):
        message = f"{chosen.label} gave weights outside the limits; they are not used."
        raise InputError(Fault("method", "not_solved", message, "Look back further, or choose another method."))
    return Weights(method, problem.symbols, np.round(found, DECIMALS) + 0.0, mu, cov)


def _within(problem: Problem, weights: Array, invested: bool) -> bool:
    low, high = problem.least_and_most()
    total = float(weights.sum())
    held = [
        bool(np.isfinite(weights).all()),
        bool((weights >= low - _WITHIN).all()),
        bool((weights <= high + _WITHIN).all()),
        abs(total - 1.0) <= _WITHIN if invested else -_WITHIN <= total <= 1.0 + _WITHIN,
    ]
    for group in problem.groups:
        part = float(problem.members(group.symbols) @ weights)
        held.append(group.least is None or part >= group.least - _WITHIN)
        held.append(group.most is None or part <= group.most + _WITHIN)
    if problem.max_turnover is not None:
        held.append(float(np.abs(weights - problem.held).sum()) <= problem.max_turnover + _WITHIN)
    return all(held)


@register
class EqualWeight(Method):
    """The same weight for every symbol."""

    slug, label = "equal_weight", "Equal weight"
    needs_covariance, fits = False, False

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        return np.full(problem.n, 1.0 / problem.n)


@register
class InverseVolatility(Method):
    """Weights in proportion to 1 / volatility: calm symbols get more."""

    slug, label = "inverse_volatility", "Inverse volatility"
    fits = False

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        calm = 1.0 / np.sqrt(np.diag(cov))
        return np.asarray(calm / calm.sum())


@register
class MinVariance(Method):
    """The least variance that the limits allow (Markowitz). Needs no opinion on returns."""

    slug, label = "min_variance", "Minimum variance"

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        return solving.mean_risk(problem, mu, cov, objective="MINIMIZE_RISK", min_return=problem.target_return)


@register
class MaxSharpe(Method):
    """The highest ratio of mean return, after costs and above the risk-free rate, to deviation (Markowitz, Sharpe)."""

    slug, label = "max_sharpe", "Maximum Sharpe ratio"

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        low, _ = problem.least_and_most()
        if low.min() >= 0 and float(mu.max()) <= problem.risk_free:
            message = "No symbol has a mean return above the risk-free rate, so no ratio is the highest."
            raise InputError(Fault("method", "no_answer", message, "Choose minimum variance or risk parity."))
        return solving.mean_risk(problem, mu, cov, objective="MAXIMIZE_RATIO", min_return=problem.target_return)


@register
class TargetReturn(Method):
    """The least variance among all weights with at least the target's mean return, after costs (Markowitz)."""

    slug, label = "target_return", "Target return"

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        if problem.target_return is None:
            message = "This method needs the mean return to aim at."
            raise InputError(Fault("target_return", "required", message, "A return per bar, such as 0.0004."))
        return solving.mean_risk(problem, mu, cov, objective="MINIMIZE_RISK", min_return=problem.target_return)


@register
class RiskParity(Method):
    """Each symbol has the same share of the portfolio's variance; where limits bind, the nearest to it in the sense of
    Richard and Roncalli's constrained risk budgeting."""

    slug, label = "risk_parity", "Risk parity"
    long_only = True

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        return solving.risk_parity(problem, mu, cov)


@register
class HierarchicalRiskParity(Method):
    """Symbols are put into a tree by their correlations, and risk is halved from branch to branch (López de Prado
    2016). Where limits bind, the nearest weights that meet them."""

    slug, label = "hierarchical_risk_parity", "Hierarchical risk parity"
    long_only, fits = True, False

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        return np.ones(1) if problem.n == 1 else solving.hierarchical_risk_parity(problem, mu, cov)


@register
class Kelly(Method):
    """A share k of the weights at which money would grow fastest (Kelly 1956), taken to second order. Half Kelly is
    k = 0.5. What is not invested is cash."""

    # The most of μ'w - w'Σw / 2k; without limits w = k·Σ⁻¹(μ - r).
    slug, label = "kelly", "Kelly"
    invested = False

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        return solving.mean_risk(
            problem,
            mu - problem.risk_free,
            cov,
            objective="MAXIMIZE_UTILITY",
            invested=False,
            risk_aversion=0.5 / problem.kelly_ratio,
        )


@register
class LogGrowth(Method):
    """Full Kelly without an approximation: the most of mean log(1 + return) over the bars looked back on (Kelly 1956).
    What is not invested is cash. Bold: an estimate that is too high loses more than one that is too low."""

    slug, label = "log_growth", "Log growth"
    invested = False

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        return solving.mean_risk(problem, mu, cov, objective="MAXIMIZE_RETURN", invested=False, log_growth=True)


@register
class BlackLitterman(Method):
    """The returns at which the market's weights would be the best ones, bent towards your views by how sure you are
    (Black and Litterman 1992; Idzorek 2005); then the best weights for those. Without views: the market's weights."""

    # Then the most of μ'w - δ/2·w'Σw.
    slug, label = "black_litterman", "Black-Litterman"

    def beliefs(self, problem: Problem, mu: Array, cov: Array) -> tuple[Array, Array]:
        market = np.array([problem.market.get(symbol, 0.0) for symbol in problem.symbols])
        if not problem.market:
            market = np.full(problem.n, 1.0 / problem.n)
        if not (market >= 0).all() or not market.sum() > 0:
            message = "The market's weights must be positive numbers."
            raise InputError(Fault("market", "out_of_range", message, "Such as capitalisations."))
        return solving.black_litterman(problem, cov, market / market.sum())

    def solve(self, problem: Problem, mu: Array, cov: Array) -> Array:
        after, spread = self.beliefs(problem, mu, cov)
        return solving.mean_risk(
            problem, after, spread, objective="MAXIMIZE_UTILITY", risk_aversion=problem.risk_aversion / 2.0
        )
