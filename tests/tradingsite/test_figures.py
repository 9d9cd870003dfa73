"""How figures are written: signs, separators, and a dash for what is no number."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from tradingsite.lib.templatetags import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234.50"),
        (-1234.5, "−1,234.50"),
        (Decimal("0.005"), "0.01"),
        (-0.001, "0.00"),  # nothing that is written as zero has a sign
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        ("12", "–"),
        (True, "–"),
    ],
)
def test_money(value: object, text: str) -> None:
    assert figures.money(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.234, '<span class="gain">+1.23 %</span>'),
        (-1.235, '<span class="loss">−1.24 %</span>'),
        (-0.0001, '<span class="faint">0.00 %</span>'),
        (None, "–"),
    ],
)
def test_a_change_carries_its_sign_and_never_colour_alone(value: object, text: str) -> None:
    assert figures.signed_pct(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (532.1725, "532.17"),
        (7.3089, "7.3089"),
        (0.0625, "0.062500"),
        (0.25, "0.2500"),
        (0.00001234, "0.00001234"),
        (0, "0.000000"),
    ],
)
def test_prices_have_the_decimals_they_need(value: float, text: str) -> None:
    assert figures.px(value) == text


@pytest.mark.parametrize(("value", "text"), [(100.0, "100"), (0.125, "0.125"), (12_345.5, "12,345.5"), (None, "–")])
def test_units(value: float | None, text: str) -> None:
    assert figures.units(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0421, "42 ms"), (3.21, "3.2 s"), (125, "2 min 05 s"), (None, "–")])
def test_durations(value: float | None, text: str) -> None:
    assert figures.seconds(value) == text


def test_a_moment_is_in_the_persons_zone_with_utc_on_hover() -> None:
    moment = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    with timezone.override(ZoneInfo("America/New_York")):
        text = figures.when(moment)
    assert ">2024-01-02 09:30<" in text
    assert "2024-01-02 14:30:00 UTC" in text
