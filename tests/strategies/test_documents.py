"""What docs/strategies.md shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from strategies import base, catalogue, indicators
from tests.strategies.series import walk

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "strategies.md").read_text(encoding="utf-8")


@pytest.mark.row("D2", "W8")
def test_the_example_strategy_runs_and_passes_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_registry", base.registered())
    bars = walk(1_500)
    # As a module of its own, so that its class has a home.
    known = {"bars": bars, "__name__": "strategies_document"}
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.S):
        exec(compile(block, "docs/strategies.md", "exec"), known)  # noqa: S102
    strategy = catalogue.get("rsi_return")()
    assert np.count_nonzero(strategy.signals(bars)) > 10
    assert known["report"].replays == 300


def test_the_lists_are_complete() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.M)
    assert sorted(listed) == sorted(declared.slug for declared in catalogue.listed())
    assert f"lists the\n{len(indicators.all())} that ship" in DOCUMENT
