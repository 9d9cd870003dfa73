"""Whether the moments of entry are worth anything: against random ones, held as long and as often.

Each symbol's positions keep their sides, their order of lengths shuffled, and are placed anew, without overlap, at
random over the same bars: the same number of positions, the same bars held, the same exposure. What is compared is the
sum of side × log(exit price / entry price), so neither sizes nor costs can help or harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Held:
    """The positions of one symbol: prices: of every bar, at which positions begin and end; entry, exit: bars, with
    exit ≥ entry and without overlap; side: +1 or -1."""

    prices: Floats
    entry: Ints
    exit: Ints
    side: Ints


def gained(held: Held) -> float:
    """Σ side × log(price at exit / price at entry)."""
    logs = np.log(held.prices)
    return float((held.side * (logs[held.exit] - logs[held.entry])).sum())


def random_gains(held: Held, draws: int, rng: np.random.Generator) -> Floats:
    """`gained` of `draws` random placements of the same positions."""
    logs = np.log(held.prices)
    lengths = held.exit - held.entry
    count, free = len(lengths), len(logs) - 1 - int(lengths.sum())
    order = rng.permuted(np.tile(np.arange(count), (draws, 1)), axis=1)
    chosen, sides = lengths[order], held.side[order]
    # Where the free bars are cut, so that every way to share them out before and between positions is as likely.
    cuts = np.sort(rng.integers(0, max(free, 0) + 1, (draws, count)), axis=1)
    entry = cuts + np.cumsum(chosen, axis=1) - chosen
    return np.asarray((sides * (logs[entry + chosen] - logs[entry])).sum(axis=1))


def significance(positions: Sequence[Held], draws: int, rng: np.random.Generator) -> tuple[float, float, Floats]:
    """(p-value, what the real entries gained, what each random set gained).

    p = (1 + random sets that gained as much or more) / (1 + draws): B. Phipson, G. Smyth, "Permutation P-values Should
    Never Be Zero", Statistical Applications in Genetics and Molecular Biology 9 (2010).
    """
    real = sum(gained(held) for held in positions)
    random = np.zeros(draws)
    for held in positions:
        random += random_gains(held, draws, rng)
    return (1 + int((random >= real - 1e-12).sum())) / (1 + draws), real, random
