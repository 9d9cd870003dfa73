"""Honest figures: computed by the platform, told by parts in time, stale as soon as the strategy changes."""

from __future__ import annotations

import pytest

from strategies.gallery.models import Publication


@pytest.mark.row("D21")
def test_try(alice, measured) -> None:
    import json

    row = measured(alice)
    print(row.state, row.problem)
    print(json.dumps(row.figures, indent=1), row.judged_sharpe)
    assert 0
