"""Fill numba's disk cache, so that a process's first backtest does not compile: ``python -m engine.compile``."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold a lock beside the cache: numba gives the files in it numbers without one, and two processes that compile at
    the same time could take the same number for different kernels. Where there is no flock, nobody else is kept out."""
    import numba

    try:
        import fcntl
    except ImportError:
        yield
        return
    config: Any = numba.config
    if not config.CACHE_DIR:
        yield
        return
    os.makedirs(config.CACHE_DIR, exist_ok=True)
    with open(os.path.join(config.CACHE_DIR, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_kernels() -> float:
    """Compile every kernel in the one signature that runs use; the seconds it took (well under one if cached).

    Processes that do so at the same time wait for each other: one compiles, the others read what it made.
    """
    began = time.perf_counter()
    import numpy as np

    from engine.backtest import simulate
    from engine.bars import Bars
    from engine.portfolio import Portfolio

    day = 86_400_000_000_000
    ones = np.ones(2)
    bars = Bars("COMPILE", "1d", "24/7", np.array([0, day]), ones, ones, ones, ones, ones)
    with _alone():
        simulate({"COMPILE": bars}, {"COMPILE": np.zeros(2, dtype=np.int8)})
        portfolio = Portfolio({"COMPILE": bars})
        portfolio.step(0, {"COMPILE": (1.0, 1.0, 1.0, 1.0, 1.0)})
        portfolio.cancel_entry(None)
        portfolio.gates("COMPILE")
        for_broker = Portfolio({"COMPILE": bars}, external_fills=True)
        for_broker.adopt("COMPILE", 1.0, 1.0, 0)
        for_broker.step(0, {"COMPILE": (1.0, 1.0, 1.0, 1.0, 1.0)})
        for_broker.fill_exit("COMPILE", 0.5, 1.0, "user")
        for_broker.end_order(int(for_broker.request_exit("COMPILE", "user").orders["serial"][0]), "cancelled")
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"kernels ready in {compile_kernels():.1f} s")  # noqa: T201
