"""The vote on scripts short enough to follow by eye."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from strategies import catalogue
from strategies.ensemble.voting import held, shares
from tests.strategies.ensemble.scripted import in_the_catalogue, member
from tests.strategies.series import from_close, walk

QUIET = [0] * 6


@pytest.fixture(autouse=True)
def scripted() -> Iterator[None]:
    with in_the_catalogue():
        yield


def said(*members: dict[str, Any], **parameters: Any) -> list[int]:
    ensemble = catalogue.get("ensemble")(members=list(members), **{"hold_for_bars": 1, **parameters})
    return ensemble.signals(from_close(np.full(6, 100.0))).tolist()


@pytest.mark.row("D14")
def test_weights_count_as_far_as_the_balance_says() -> None:
    assert shares([60, 20, 20], 1.0) == [0.6, 0.2, 0.2]
    assert shares([60, 20, 20], 0.0) == pytest.approx([1 / 3] * 3)
    assert shares([60, 20, 20], 0.5) == pytest.approx([0.3 + 1 / 6, 0.1 + 1 / 6, 0.1 + 1 / 6])
    assert shares([0, 0], 1.0) == [0.5, 0.5]
    heavy, light = member([0, 1, 0, 0], weight=60), member(QUIET, weight=20)
    assert said(heavy, light, light, threshold=0.6) == [0, 1, 0, 0, 0, 0]
    assert said(heavy, light, light, threshold=0.6, strategy_weight_balance=0.0) == QUIET
    assert said(heavy, light, light, threshold=0.45, strategy_weight_balance=0.5) == [0, 1, 0, 0, 0, 0]


@pytest.mark.row("D14")
def test_three_fifths_of_five_are_enough_for_sixty_percent() -> None:
    """0.2 + 0.2 + 0.2 is not 0.6 in binary."""
    five = [member([0, 1] if i < 3 else QUIET, weight=20) for i in range(5)]
    assert said(*five, threshold=0.6) == [0, 1, 0, 0, 0, 0]


@pytest.mark.row("D14")
@pytest.mark.parametrize(
    ("vote", "expected"),
    [
        ("any", [1, 1, 1, -1, 0, 0]),
        ("majority", [0, 1, 1, 0, 0, 0]),
        ("unanimous", [0, 0, 1, 0, 0, 0]),
        ("weighted", [0, 1, 1, 0, 0, 0]),
    ],
)
def test_what_counts_as_agreement(vote: str, expected: list[int]) -> None:
    members = [member([1, 1, 1, 0, 0, 0]), member([0, 1, 1, -1, 0, 0]), member([0, 0, 1, 0, 0, 0])]
    assert said(*members, vote=vote, threshold=0.6) == expected


@pytest.mark.row("D14")
def test_the_side_with_more_weight_stands_and_with_as_much_neither() -> None:
    assert said(member([1], weight=60), member([-1], weight=40), vote="any") == [1, 0, 0, 0, 0, 0]
    assert said(member([1], weight=40), member([-1], weight=60), vote="any") == [-1, 0, 0, 0, 0, 0]
    assert said(member([1]), member([-1]), vote="any") == QUIET
    assert said(member([1]), member([-1]), threshold=0.5) == QUIET
    assert said(member([1]), member([-2], weight=60), vote="any") == [-2, 0, 0, 0, 0, 0]


@pytest.mark.row("D13")
def test_a_member_that_is_off_has_no_say() -> None:
    on, off = member([1, 0, 0]), member([0, -1, 0], enabled=False)
    assert said(on, off, vote="unanimous") == [1, 0, 0, 0, 0, 0]


def test_an_opinion_counts_for_the_stated_bars() -> None:
    codes, place = held(np.array([0, 1, 0, 0, -1, 0], np.int8), 2)
    assert codes.tolist() == [0, 1, 1, 0, -1, -1]
    assert place.tolist() == [-1, 1, 1, -1, 4, 4]
    early, late = member([1, 0, 0, 0]), member([0, 0, 1, 0])
    assert said(early, late, vote="unanimous", hold_for_bars=2) == QUIET
    assert said(early, late, vote="unanimous", hold_for_bars=3) == [0, 0, 1, 0, 0, 0]


def test_it_signals_when_that_is_news() -> None:
    """Not on every bar on which opinions are held: when they first agree, and when a member says it again."""
    assert said(member([1, 0, 0, 1]), member([0, 1]), hold_for_bars=5, vote="unanimous") == [0, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        (([-2], [-2]), -2),
        (([2], [2]), 2),
        (([-3], [-3]), -3),
        (([-1], [-2]), -2),
        (([1], [2]), 2),
        (([-1], [-3]), -2),
        (([-1], [-1]), -1),
    ],
)
def test_signals_that_only_close_are_votes_to_leave(scripts: tuple[list[int], ...], expected: int) -> None:
    assert said(*map(member, scripts), vote="unanimous")[0] == expected


def test_the_sale_of_a_strategy_that_never_shorts_opens_no_short() -> None:
    shy = {"shorts": "no"}
    both = [member([-1], parameters=shy), member([-1])]
    assert said(*both, vote="unanimous")[0] == -2, "one of them only leaves"
    never = catalogue.get("ensemble")(members=[member([-1], parameters=shy), member([-2], parameters=shy)])
    assert not never.allows_short
    assert never.signals(from_close([100.0]))[0] == -1, "where nothing is ever short, to leave is to sell"


@pytest.mark.row("D16")
def test_confidence_is_what_speaks_for_it_less_what_speaks_against() -> None:
    members = [member([1], weight=50, sure=0.8), member([1], weight=30, sure=0.5), member([-1], weight=20, sure=1.0)]
    ensemble = catalogue.get("ensemble")(members=members, threshold=0.6)
    bars = from_close(np.full(6, 100.0))
    assert ensemble.confidence(bars)[0] == pytest.approx(0.5 * 0.8 + 0.3 * 0.5 - 0.2)
    assert said(*members, threshold=0.6, min_confidence=0.35)[0] == 1
    assert said(*members, threshold=0.6, min_confidence=0.36)[0] == 2, "too unsure to buy, but a short is closed"


@pytest.mark.row("D16")
def test_an_exit_is_never_too_unsure() -> None:
    shy = {"shorts": "no"}
    unsure = [member([1, 0, -1], sure=0.1, parameters=shy), member([1, 0, -1], sure=0.1, parameters=shy)]
    assert said(*unsure, min_confidence=0.5) == [0, 0, -1, 0, 0, 0]


def test_nothing_is_said_before_every_member_is_ready() -> None:
    assert said(member([1, 0, 1]), member(QUIET, parameters={"history": 3}), vote="any") == [0, 0, 1, 0, 0, 0]


@pytest.mark.row("D13", "D14")
@pytest.mark.parametrize("slug", ["ma_crossover", "momentum", "bollinger", "zscore_reversion", "breakout"])
def test_an_ensemble_of_one_is_that_one(slug: str) -> None:
    bars = walk(1_500)
    alone = catalogue.get(slug)()
    ensemble = catalogue.get("ensemble")(
        members=[{"strategy": slug}, {"strategy": "buy_and_hold", "enabled": False}], hold_for_bars=1
    )
    assert np.array_equal(ensemble.signals(bars), alone.signals(bars))
    assert ensemble.warmup() == alone.warmup()
    assert ensemble.allows_short == alone.allows_short
    spoken = np.flatnonzero(alone.signals(bars))
    assert spoken.size
    assert np.array_equal(ensemble.confidence(bars)[spoken], alone.confidence(bars)[spoken])
