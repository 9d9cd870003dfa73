"""Which cells a chunk has. Told by the request and what earlier rounds gave, so that every worker draws the same.

A grid goes through its combinations in order. Random draws are made without repetition from the request's seed. A
Bayesian sweep goes in rounds of a few chunks: all cells of a round are asked of a Tree-structured Parzen Estimator
(Bergstra et al. 2011, as optuna has it) that was told every earlier round, and nothing of its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from backtests.sweeps import columns
from backtests.sweeps.request import SweepConfig

ROUND = 4  # chunks of a Bayesian sweep that may run side by side
_STARTUP = 20  # cells drawn at random before a model says anything
_TRIES = 50  # asked again for a cell that was tried before, at most so often


def chunk_cells(config: SweepConfig, number: int, size: int, earlier: np.ndarray | None = None) -> list[int]:
    """The cells of chunk `number` when chunks have `size` cells (the last one what is left).

    earlier: rows of every chunk of the rounds before, for a Bayesian sweep.
    """
    first, last = number * size, min((number + 1) * size, config.cells)
    if config.method == "grid":
        return list(range(first, last))
    if config.method == "random":
        draw = random.Random(config.seed)  # noqa: S311
        return sorted(draw.sample(range(len(config.space)), config.cells))[first:last]
    begin = number // ROUND * ROUND * size
    count = min(ROUND * size, config.cells - begin)
    asked = _asked(config, columns.empty((), config.metrics) if earlier is None else earlier, count)
    return asked[first - begin : last - begin]


def _asked(config: SweepConfig, earlier: np.ndarray, count: int) -> list[int]:
    """`count` cells that were not tried yet, as good as the sampler can guess."""
    import optuna
    from optuna.distributions import CategoricalDistribution, IntDistribution
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = [f"{k}" for k in range(len(config.space.axes))]
    distributions = {
        name: IntDistribution(0, len(axis.values) - 1)
        if isinstance(axis.values[0], int | float) and not isinstance(axis.values[0], bool)
        else CategoricalDistribution(range(len(axis.values)))
        for name, axis in zip(names, config.space.axes, strict=True)
    }
    sampler = optuna.samplers.TPESampler(
        seed=config.seed + len(earlier), n_startup_trials=_STARTUP, multivariate=len(names) > 1, constant_liar=True
    )
    direction = "maximize" if config.better == "higher" else "minimize"
    study = optuna.create_study(direction=direction, sampler=sampler)
    worth = _worth(config, earlier)
    for cell, value in zip(earlier["cell"].tolist(), worth, strict=True):
        params = dict(zip(names, config.space.places(cell), strict=True))
        study.add_trial(
            create_trial(params=params, distributions=distributions, value=value, state=TrialState.COMPLETE)
        )
    tried = set(earlier["cell"].tolist())
    found: list[int] = []
    for _ in range(count):
        cell = -1
        for _ in range(_TRIES):
            trial = study.ask(distributions)
            cell = config.space.number(tuple(trial.params[name] for name in names))
            if cell not in tried:
                break
        else:
            cell = _untried(config, tried, len(earlier) + len(found))
        tried.add(cell)
        found.append(cell)
    return found


def _worth(config: SweepConfig, rows: np.ndarray) -> Sequence[float]:
    """The objective of each row as the sampler is told: what is not feasible is as bad as the worst that is."""
    values = rows[config.objective].copy()
    constraints = {"min_trades": config.min_trades, "max_drawdown_pct": config.max_drawdown_pct}
    good = columns.feasible(rows, constraints) & np.isfinite(values)
    worst = 0.0
    if good.any():
        worst = float(values[good].min() if config.better == "higher" else values[good].max())
    values[~good] = worst
    told: list[float] = values.tolist()
    return told


def _untried(config: SweepConfig, tried: set[int], place: int) -> int:
    """A combination that was not tried, where the sampler keeps naming those that were."""
    draw = random.Random(f"{config.seed}-{place}")  # noqa: S311
    total = len(config.space)
    cell = draw.randrange(total)
    while cell in tried:
        cell = (cell + 1) % total
    return cell
