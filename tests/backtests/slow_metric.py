"""A metric of one's own, as METRIC_MODULES loads it: it waits while a file exists, so that runs can be met half-way."""

from __future__ import annotations

import os
import time
from pathlib import Path

from engine.metrics import Run, metric


@metric("waits", label="Waits", unit="count", convention="How often it looked whether to go on", better="neither")
def waits(run: Run) -> float:
    hold = Path(os.environ["HOLD_FILE"])
    looked = 0
    while hold.exists():
        time.sleep(0.02)
        looked += 1
    return float(looked)
