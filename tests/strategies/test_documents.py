"""What docs/strategies.md shows works as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from strategies import base, catalogue, conditions, indicators
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


@pytest.mark.row("E2", "E4")
def test_the_example_of_condition_trees_says_what_it_says() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    tree, *short = re.findall(r"```json\n(.*?)```", page, re.S)
    assert conditions.parse(tree) == json.loads(tree), "it is shown in its canonical form"
    for line in "".join(short).splitlines():
        assert conditions.sentence(conditions.parse(line))
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    known = {"bars": walk(400)}
    for line in code.splitlines():
        said, _, expected = line.partition("# ")
        if expected.startswith(('"', "{")):
            assert eval(said, known) == eval(expected, {})  # noqa: S307
        else:
            exec(said, known)  # noqa: S102
    (told,) = conditions.explain(known["buy"], known["bars"], [-1])
    assert told["left"]["value"] > 0
    assert f"At most {conditions.MAX_BYTES:,} bytes of text, {conditions.MAX_DEPTH} levels" in page
    assert f"and {conditions.MAX_NODES} nodes" in page
