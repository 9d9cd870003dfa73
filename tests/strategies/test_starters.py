"""The builder's templates: each is a strategy that runs as it stands, and says when it loses."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Bars
from engine.resample import resample
from strategies import conditions, timeframes
from strategies.catalogue import get
from strategies.causality import check
from strategies.starters import STARTERS, Starter
from tests.strategies.series import walk

each = pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.slug)


def trees(starter: Starter) -> dict[str, object]:
    return {name: getattr(starter, name) for name in ("buy", "sell", "short", "cover")}


def bars_of(timeframe: str) -> Bars:
    return walk(1_500) if timeframe == "1d" else resample(walk(90_000, timeframe="1m"), timeframe)


@pytest.mark.row("N7")
def test_there_are_enough_to_choose_from() -> None:
    assert len(STARTERS) >= 8
    assert len({starter.slug for starter in STARTERS}) == len({starter.label for starter in STARTERS}) == len(STARTERS)


@each
@pytest.mark.row("N7", "E2", "E3")
def test_its_trees_are_sound_and_canonical(starter: Starter) -> None:
    strategy = get("conditions")(**trees(starter))
    assert strategy.parameters == trees(starter)  # what the builder draws is what the API would store
    assert all(conditions.sentences(strategy.parameters).values())
    timeframes.refuse(get("conditions"), strategy.parameters, starter.timeframe)
    assert starter.description.endswith(".")


@each
@pytest.mark.row("W8")
def test_it_trades_and_sees_no_future(starter: Starter) -> None:
    strategy = get("conditions")(**trees(starter))
    bars = bars_of(starter.timeframe)
    signals = strategy.signals(bars)
    assert np.count_nonzero(signals > 0), "it never buys"
    assert not signals[: strategy.warmup() - 1].any()
    assert check(strategy, bars).ok
