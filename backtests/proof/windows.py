"""Walk-forward: where the training and the test stretches of a walk lie.

The line is cut into equal parts. Rolling windows train on the `TRAINING` parts before the tested one, anchored ones on
all parts before it. Between the end of a training stretch and its test `gap` places are left out (purged), so that no
position that helped to choose reaches into what it is judged on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PARTS: Final = 10
TRAINING: Final = 4  # parts


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open stretches of places: train on [train_start, train_end), test on [test_start, test_end)."""

    train_start: int
    train_end: int
    test_start: int
    test_end: int


def windows(n: int, *, anchored: bool, gap: int = 0) -> list[Window]:
    """The windows of a line of n places, in order of time; the tests follow each other without overlap.

    gap: places purged before each test, at most half a part. [] for fewer than two places a part.
    """
    if n < 2 * PARTS:
        return []
    edges = [n * k // PARTS for k in range(PARTS + 1)]
    gap = min(gap, n // PARTS // 2)
    return [
        Window(0 if anchored else edges[k - TRAINING], edges[k] - gap, edges[k], edges[k + 1])
        for k in range(TRAINING, PARTS)
    ]
