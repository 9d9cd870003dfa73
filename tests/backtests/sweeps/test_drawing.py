"""Which combinations a chunk has: each once, and the same for every worker."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtests.sweeps import columns, drawing
from tests.backtests.sweeps.rig import read

pytestmark = pytest.mark.row("H16")


def test_a_grid_and_random_draws_take_each_combination_once() -> None:
    grid = read()
    drawn = [cell for k in range(4) for cell in drawing.chunk_cells(grid, k, 10)]
    assert drawn == list(range(36))
    random = read(method="random", trials=20, seed=4)
    drawn = [cell for k in range(3) for cell in drawing.chunk_cells(random, k, 8)]
    assert len(set(drawn)) == 20
    assert set(drawn) <= set(range(36))
    assert drawn != [cell for k in range(3) for cell in drawing.chunk_cells(read(method="random", trials=20), k, 8)]
    huge = read(
        method="random",
        trials=5,
        axes=[
            {"name": "fast_window", "from": 2, "to": 400, "step": 1},
            {"name": "slow_window", "from": 3, "to": 500, "step": 1},
            {"name": "stop_loss_pct", "of": "setting", "from": 0.1, "to": 90, "step": 0.1},
            {"name": "take_profit_pct", "of": "setting", "from": 0.1, "to": 90, "step": 0.1},
        ],
    )
    assert len(huge.space) > 10**11
    assert len(drawing.chunk_cells(huge, 0, 5)) == 5


def test_bayesian_draws_are_the_same_for_every_worker_and_find_the_hill() -> None:
    """Told a hill's height instead of a market's, most later draws stand near its top; blind ones would not."""
    axes = [
        {"name": "fast_window", "from": 2, "to": 61, "step": 1},
        {"name": "slow_window", "from": 62, "to": 121, "step": 1},
    ]
    config = read(method="bayesian", trials=96, axes=axes, seed=11)
    rows = columns.empty((), config.metrics)

    def height(cell: int) -> float:
        fast, slow = config.space.places(cell)
        return -math.hypot(fast - 40, slow - 20)

    for first in range(0, 12, drawing.ROUND):
        parts = [drawing.chunk_cells(config, k, 8, rows) for k in range(first, first + drawing.ROUND)]
        assert parts[2] == drawing.chunk_cells(config, first + 2, 8, rows)
        cells_of_round = [cell for part in parts for cell in part]
        fresh = columns.empty(cells_of_round, config.metrics)
        fresh["total_return_pct"] = [height(cell) for cell in cells_of_round]
        rows = np.concatenate([rows, fresh])
    assert len(set(rows["cell"].tolist())) == 96
    blind, told = rows["total_return_pct"][:20], rows["total_return_pct"][64:]
    assert np.median(told) > np.median(blind) / 2
    assert rows["total_return_pct"].max() > -4
