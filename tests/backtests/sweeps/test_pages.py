"""Pages of sweeps as a browser gets them: what a sweep that ended early, and one that is half-way, show."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from backtests.models import Sweep
from backtests.sweeps import services
from tests.backtests.sweeps.rig import BODY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("N6")]


@pytest.mark.parametrize(
    ("ended", "shows", "hides"),
    [
        (
            {"state": "FAILED", "failure_code": "data_changed", "failure_reason": "Prices changed."},
            "Start another",
            "Resume",
        ),
        ({"state": "CANCELED"}, "Resume", "Start another"),
    ],
)
def test_a_sweep_that_ended_before_anything_came_in_draws_no_empty_map(
    client: Client, alice: User, sample_data: None, ended: dict[str, Any], shows: str, hides: str
) -> None:
    sweep = services.submit(alice, BODY)
    client.force_login(alice)
    address = reverse("backtests:sweep", args=[sweep.pk])
    running = client.get(address).content.decode()
    assert 'id="map"' in running
    assert "Nothing has come in yet" in running
    Sweep.objects.filter(pk=sweep.pk).update(**ended)
    page = client.get(address).content.decode()
    assert 'id="map"' not in page
    assert "sweep.js" not in page, "there is nothing that it could draw"
    assert "ended before a combination had a result" in page
    assert shows in page
    assert hides not in page
    if shows == "Start another":
        assert "/backtests/sweeps/new/?strategy=ma_crossover&amp;symbol=AAPL" in page
