"""Asking skfolio. It and its solver are loaded when weights are computed, never before: they are heavy.

skfolio gets our own mean and covariance (`moments`) as its prior, so that what is optimised is what is shown.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np

from engine.errors import Fault, InputError
from strategies.allocation.polishing import polished
from strategies.allocation.problem import Array, Problem

_SOLVER = {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13, "max_iter": 500}
_GROWTH = 1e3  # growth per bar is a few hundredths of a percent


def mean_risk(
    problem: Problem,
    mu: Array,
    cov: Array,
    *,
    objective: str,
    invested: bool = True,
    risk_aversion: float = 1.0,
    min_return: float | None = None,
    log_growth: bool = False,
) -> Array:
    """Weights of skfolio's `MeanRisk` on the variance under the problem's limits.

    objective: a name of skfolio's ObjectiveFunction. invested: the weights add up to 1, else to 0..1. log_growth: the
    expected return is the mean of log(1 + return) in the place of the mean return. Raises InputError.
    """
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    low, high = problem.least_and_most()
    matrix, bound = _group_rows(problem)
    chosen = ObjectiveFunction[objective]
    ratio = chosen is ObjectiveFunction.MAXIMIZE_RATIO
    # In units of the mean volatility everything is near 1, where the solver has its digits.
    unit = 1.0 if log_growth else 1.0 / float(np.sqrt(np.mean(np.diag(cov))))
    aversion = risk_aversion / unit
    weight = {ObjectiveFunction.MAXIMIZE_UTILITY: 1.0 / aversion, ObjectiveFunction.MAXIMIZE_RETURN: _GROWTH}
    model = MeanRisk(
        objective_function=chosen,
        # The ratio is that of the mean to the deviation; of the variance it would be another one.
        risk_measure=RiskMeasure.STANDARD_DEVIATION if ratio else RiskMeasure.VARIANCE,
        risk_aversion=aversion,
        risk_free_rate=problem.risk_free * unit if ratio else 0.0,
        prior_estimator=_prior()(mu * unit, cov * unit**2),
        min_weights=low,
        max_weights=high,
        budget=1.0 if invested else None,
        min_budget=None if invested else 0.0,
        max_budget=None if invested else 1.0,
        left_inequality=matrix,
        right_inequality=bound,
        transaction_costs=problem.cost * unit,
        previous_weights=problem.held,
        min_return=None if min_return is None else min_return * unit,
        add_constraints=_turnover(problem, homogeneous=invested),
        overwrite_expected_return=_log_growth(problem) if log_growth else None,
        scale_objective=weight.get(chosen, 1.0),
        solver_params=_SOLVER,
    )
    found = _fitted(model, problem)
    if ratio or log_growth or problem.cost or problem.max_turnover is not None:
        return found
    rows, edge, fixed = _all_rows(problem, invested, None if min_return is None else (mu * unit, min_return * unit))
    aim = mu * unit if chosen is ObjectiveFunction.MAXIMIZE_UTILITY else np.zeros(problem.n)
    return polished(found, aim, cov * unit**2, aversion, rows, edge, fixed)


def risk_parity(problem: Problem, mu: Array, cov: Array) -> Array:
    """Weights of skfolio's `RiskBudgeting`: equal shares of the variance, as far as the limits let them be."""
    from skfolio import RiskMeasure
    from skfolio.optimization import RiskBudgeting

    low, high = problem.least_and_most()
    matrix, bound = _group_rows(problem)
    model = RiskBudgeting(
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=_prior()(mu, cov / float(np.mean(np.diag(cov)))),
        min_weights=np.maximum(low, 0.0),
        max_weights=high,
        left_inequality=matrix,
        right_inequality=bound,
        add_constraints=_turnover(problem, homogeneous=True),
        solver_params=_SOLVER,
    )
    return _fitted(model, problem)


def hierarchical_risk_parity(problem: Problem, mu: Array, cov: Array) -> Array:
    """Weights of skfolio's `HierarchicalRiskParity` without limits, on the single linkage of √((1 - ρ) / 2)."""
    from skfolio import RiskMeasure
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.distance import CovarianceDistance
    from skfolio.optimization import HierarchicalRiskParity
    from skfolio.seriation import HierarchicalSeriation

    model = HierarchicalRiskParity(
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=_prior()(mu, cov),
        distance_estimator=CovarianceDistance(),
        seriation_estimator=HierarchicalSeriation(
            hierarchical_clustering_estimator=HierarchicalClustering(linkage_method=LinkageMethod.SINGLE),
            optimal_ordering=False,
        ),
    )
    return _fitted(model, problem)


def black_litterman(problem: Problem, cov: Array, market: Array) -> tuple[Array, Array]:
    """(mean, covariance) after the views: skfolio's `BlackLitterman` on the equilibrium returns of `market`."""
    equilibrium: Array = problem.risk_aversion * cov @ market
    if not problem.views:
        return equilibrium, cov
    from pandas import DataFrame
    from skfolio.prior import BlackLitterman

    # skfolio reads views as equations: they are made of numbered names, whatever characters the symbols have.
    names = {symbol: f"S{place}" for place, symbol in enumerate(problem.symbols)}
    equations = [
        f"{names[view.symbol]}{f' - {names[view.over]}' if view.over else ''} == {view.expected:.17f}"
        for view in problem.views
    ]
    model = BlackLitterman(
        views=equations,
        prior_estimator=_prior()(equilibrium, cov),
        tau=problem.tau,
        view_confidences=[view.confidence for view in problem.views],
    )
    model.fit(DataFrame(problem.returns, columns=list(names.values())))
    after = model.return_distribution_
    return np.asarray(after.mu), np.asarray(after.covariance)


def highest_return(problem: Problem, mu: Array, *, invested: bool) -> Array:
    """Weights with the highest mean return after costs under the limits but turnover: a linear programme."""
    from scipy.optimize import linprog

    n = problem.n
    matrix, bound, fixed = _all_rows(problem, invested, None)
    eye, still = np.eye(n), np.zeros((len(matrix), n))
    # x = [weights, what is traded of each]; traded ≥ |weight - held|.
    rows = np.vstack([np.hstack([matrix, still])[fixed:], np.hstack([eye, -eye]), np.hstack([-eye, -eye])])
    equal = {"A_eq": np.hstack([matrix, still])[:fixed], "b_eq": bound[:fixed]} if fixed else {}
    found = linprog(
        np.concatenate([-mu, np.full(n, problem.cost)]),
        A_ub=rows,
        b_ub=np.concatenate([bound[fixed:], problem.held, -problem.held]),
        bounds=[(None, None)] * n + [(0, None)] * n,
        method="highs",
        **equal,
    )
    if found.status != 0:
        raise _unsolved()
    return np.asarray(found.x[:n])


def nearest(problem: Problem, weights: Array, *, invested: bool = True) -> Array:
    """The weights nearest to these (least squares) that satisfy the limits; themselves where they do."""
    import cvxpy as cp

    low, high = problem.least_and_most()
    w = cp.Variable(problem.n)
    matrix, bound = _group_rows(problem)
    limits = [w >= low, w <= high, *([cp.sum(w) == 1] if invested else [cp.sum(w) >= 0, cp.sum(w) <= 1])]
    if matrix is not None:
        limits.append(matrix @ w <= bound)
    if problem.max_turnover is not None:
        limits.append(cp.norm1(w - problem.held) <= problem.max_turnover)
    try:
        cp.Problem(cp.Minimize(cp.sum_squares(w - weights)), limits).solve(solver=cp.CLARABEL, **_SOLVER)
    except cp.SolverError as error:
        raise _unsolved() from error
    if w.value is None:
        raise _unsolved()
    return np.asarray(w.value)


def _group_rows(problem: Problem) -> tuple[Array | None, Array | None]:
    """(A, b) of A w ≤ b for the groups."""
    rows, bound = [], []
    for group in problem.groups:
        members = problem.members(group.symbols)
        if group.most is not None:
            rows.append(members)
            bound.append(group.most)
        if group.least is not None:
            rows.append(-members)
            bound.append(-group.least)
    return (np.array(rows), np.array(bound)) if rows else (None, None)


def _all_rows(problem: Problem, invested: bool, least_return: tuple[Array, float] | None) -> tuple[Array, Array, int]:
    """(A, b, how many rows are equations) of every linear limit, A w ≤ b."""
    low, high = problem.least_and_most()
    eye, ones = np.eye(problem.n), np.ones((1, problem.n))
    rows, bound = [ones], [np.ones(1)]
    if not invested:
        rows.append(-ones)
        bound.append(np.zeros(1))
    rows += [-eye, eye]
    bound += [-low, high]
    matrix, edge = _group_rows(problem)
    if matrix is not None and edge is not None:
        rows.append(matrix)
        bound.append(edge)
    if least_return is not None:
        rows.append(-least_return[0][None, :])
        bound.append(np.array([-least_return[1]]))
    return np.vstack(rows), np.concatenate(bound), 1 if invested else 0


def _turnover(problem: Problem, *, homogeneous: bool) -> Any:
    """The limit on the sum of what is traded, which skfolio has for each symbol only.

    homogeneous: skfolio may look for multiples of the weights, whose sum stands for 1.
    """
    most, held = problem.max_turnover, problem.held
    if most is None:
        return None

    def limit(w: Any) -> Any:
        import cvxpy as cp

        whole = cp.sum(w) if homogeneous else 1.0
        return [cp.norm1(w - held * whole) <= most * whole]

    return limit


def _log_growth(problem: Problem) -> Any:
    returns = problem.returns

    def growth(w: Any) -> Any:
        import cvxpy as cp

        return cp.sum(cp.log(1 + returns @ w)) / len(returns)

    return growth


@functools.cache
def _prior() -> Any:
    """A prior of skfolio that says what it was given."""
    from skfolio.prior import BasePrior, ReturnDistribution

    class Given(BasePrior):  # type: ignore[misc]
        def __init__(self, mu: Array, covariance: Array) -> None:
            self.mu = mu
            self.covariance = covariance

        def fit(self, X: Any, y: Any = None, **unused: Any) -> Any:
            self.return_distribution_ = ReturnDistribution(
                mu=self.mu, covariance=self.covariance, returns=np.asarray(X)
            )
            return self

    return Given


def _fitted(model: Any, problem: Problem) -> Array:
    from cvxpy.error import SolverError
    from skfolio.exceptions import SkfolioError

    try:
        with warnings.catch_warnings():
            # "Solution may be inaccurate" at the solver's last digits: limits are checked on what it gives.
            warnings.simplefilter("ignore")
            model.fit(problem.returns)
    except (SolverError, SkfolioError, np.linalg.LinAlgError) as error:
        raise _unsolved() from error
    return np.asarray(model.weights_, dtype=np.float64)


def _unsolved() -> InputError:
    message = "The solver found no weights, though the limits can be met."
    return InputError(Fault("method", "not_solved", message, "Look back further, or choose another method."))
