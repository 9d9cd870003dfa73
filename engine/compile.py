"""Fill numba's disk cache, so that a process's first backtest does not compile: ``python -m engine.compile``."""

from __future__ import annotations

import time


def compile_kernels() -> float:
    """Compile every kernel in the one signature that runs use; the seconds it took (well under one if cached)."""
    began = time.perf_counter()
    import numpy as np

    from engine.backtest import simulate
    from engine.bars import Bars

    day = 86_400_000_000_000
    ones = np.ones(2)
    bars = Bars("COMPILE", "1d", "24/7", np.array([0, day]), ones, ones, ones, ones, ones)
    simulate({"COMPILE": bars}, {"COMPILE": np.zeros(2, dtype=np.int8)})
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"kernels ready in {compile_kernels():.1f} s")  # noqa: T201
