"""Price arbitrage between two venues, on gaps that are written down."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from strategies import catalogue
from strategies.base import BUY, EXIT_LONG, EXIT_SHORT, SELL
from tests.strategies.panels import bars_of, venues

ARBITRAGE = catalogue.get("price_arbitrage")


def told(gaps: list[float], **parameters: object) -> tuple[list[int], list[int]]:
    """(codes of the first venue, of the second) where the first is `gaps` basis points above the second's 100."""
    first = [100.0 * (1 + gap / 10_000) for gap in gaps]
    bars = {"A": bars_of("A", first, timeframe="1m"), "B": bars_of("B", [100.0] * len(gaps), timeframe="1m")}
    settings = {"cost_bps": 10, "threshold_bps": 5, "max_bars": 4} | parameters
    answers = ARBITRAGE(**settings).read(bars)
    return answers["A"]["action"].tolist(), answers["B"]["action"].tolist()


@pytest.mark.row("D11")
def test_it_enters_above_costs_and_leaves_when_the_gap_has_closed() -> None:
    assert told([0, 14, 16, 20, 3, -1, 0]) == (
        [0, 0, SELL, 0, 0, EXIT_SHORT, 0],
        [0, 0, BUY, 0, 0, EXIT_LONG, 0],
    )
    assert told([-16, -8, 1]) == ([BUY, 0, EXIT_LONG], [SELL, 0, EXIT_SHORT])
    # Closed at 4 already.
    assert told([-16, -5, -3], close_bps=4) == ([BUY, 0, EXIT_LONG], [SELL, 0, EXIT_SHORT])


@pytest.mark.row("D11")
def test_a_gap_that_stays_is_left_and_not_entered_again_until_it_has_closed() -> None:
    first, _ = told([20, 20, 20, 20, 20, 20, 20, -1, 20, 0])
    assert first == [SELL, 0, 0, 0, EXIT_SHORT, 0, 0, 0, SELL, EXIT_SHORT], "turned round is closed"
    first, _ = told([20, 20, 20, 20, 20, 20, 0, 20, 0])
    assert first == [SELL, 0, 0, 0, EXIT_SHORT, 0, 0, SELL, EXIT_SHORT]
    first, _ = told([20, -20, -20, 0])
    assert first == [SELL, EXIT_SHORT, BUY, EXIT_LONG], "turned round: out first, in on the next bar"


@pytest.mark.row("D11")
def test_both_legs_have_as_many_units() -> None:
    bars = venues(3_000)
    answers = ARBITRAGE(leg_pct=20).read(bars)
    entries = np.flatnonzero(np.isin(answers["A"]["action"], [BUY, SELL]))
    assert len(entries) > 20
    for row in entries:
        weights = [float(answers[symbol]["target_weight"][row]) for symbol in "AB"]
        units = [np.floor(abs(w) * 100_000 / bars[s].close[row]) for w, s in zip(weights, "AB", strict=True)]
        assert units[0] == units[1] > 0
        assert weights[0] * weights[1] < 0
        assert max(map(abs, weights)) == pytest.approx(0.2)


@pytest.mark.row("D11")
def test_a_round_number_of_units_is_the_same_on_both_sides() -> None:
    """0.2 of 100,000 at 100.00 is 200 exactly; the cheaper leg's weight is rounded and must not make it 199."""
    for cents in range(1, 400):
        price = 100.0 - cents / 100
        bars = {"A": bars_of("A", [100.0]), "B": bars_of("B", [price])}
        answers = ARBITRAGE(cost_bps=0, threshold_bps=0.1).read(bars)
        for symbol in "AB":
            weight = abs(float(answers[symbol]["target_weight"][0]))
            assert np.floor(weight * 100_000 / bars[symbol].close[0]) == 200


@pytest.mark.row("D11", "A8")
def test_a_gap_closed_where_it_is_entered_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        ARBITRAGE(close_bps=15)
    assert (caught.value.faults[0].path, caught.value.faults[0].code) == ("close_bps", "conflict")
