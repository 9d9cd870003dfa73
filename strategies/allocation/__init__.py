"""Weights of a portfolio from the returns of its symbols: methods behind one interface. Plain Python and NumPy.

    allocate("min_variance", Problem(symbols=("A", "B"), returns=returns, max_weight=0.6)).as_dict()

`methods` has the registry: a further method is one more class. `feasible` says which limits are in conflict. skfolio
solves (`solving`) and is loaded only there, so that no web process ever loads it.
"""

from strategies.allocation.methods import Method, Weights, allocate, register, registered
from strategies.allocation.problem import COVARIANCES, MOST_SYMBOLS, Group, Problem, View

__all__ = [
    "COVARIANCES",
    "MOST_SYMBOLS",
    "Group",
    "Method",
    "Problem",
    "View",
    "Weights",
    "allocate",
    "register",
    "registered",
]
