"""Every code that a run can leave behind has plain words for people, and none has words that nothing uses."""

from __future__ import annotations

from backtests.words import DENIALS, REASONS
from engine import types


def test_every_reason_has_its_words() -> None:
    assert set(REASONS) == set(types.REASON_NAMES)


def test_every_denial_has_its_words() -> None:
    assert set(DENIALS) == set(types.DENIAL_NAMES)
