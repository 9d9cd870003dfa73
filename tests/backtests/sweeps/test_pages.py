"""Pages of sweeps as a browser gets them: what a sweep that ended early, and one that is half-way, show."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tier, User
from backtests.models import Sweep
from backtests.sweeps import services
from tests.backtests.sweeps.rig import BODY, run_all
from tests.strategies.trees import DOWN_CROSS, UP_CROSS, make_custom

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


@pytest.mark.row("E5")
def test_settings_of_a_custom_strategy_are_varied(client: Client, alice: User, sample_data: None) -> None:
    """What its conditions say stays as it is."""
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    row = make_custom(alice, "Crossing", buy_conditions=UP_CROSS, sell_conditions=DOWN_CROSS)
    client.force_login(alice)
    shown = client.get(reverse("backtests:new-sweep"), {"custom": row.pk, "symbol": "AAPL"})
    form = shown.context["form"]
    assert form.custom == row
    assert form.parameter_rows == []
    assert 'name="vary.setting.stop_loss_pct"' in shown.content.decode()
    chosen = f"custom:{row.pk}"
    sent = {
        "strategy": chosen, "parameters_of": chosen, "axes_of": chosen, "symbols": "AAPL", "preset": "",
        "timeframe": "1d", "source": "sample", "start_date": "2003-01-01", "end_date": "2008-12-31",
        "initial_capital": "10000", "method": "grid", "objective": "sharpe", "confirm_cautions": "true",
        "vary.setting.stop_loss_pct": "on", "vary.setting.stop_loss_pct.from": "2",
        "vary.setting.stop_loss_pct.to": "6", "vary.setting.stop_loss_pct.step": "2",
    }  # fmt: skip
    answer = client.post(reverse("backtests:new-sweep"), sent)
    assert answer.status_code == 302, answer.context["form"].errors | answer.context["form"].axis_errors
    sweep = Sweep.objects.get()
    assert sweep.config["backtest"]["custom_strategy_id"] == row.pk
    (axis,) = sweep.config["axes"]
    assert (axis["name"], axis["of"], axis["values"]) == ("stop_loss_pct", "setting", [2.0, 4.0, 6.0])
    run_all()
    sweep.refresh_from_db()
    assert (sweep.state, sweep.cells_done, sweep.strategy_label) == ("DONE", 3, "Crossing")
