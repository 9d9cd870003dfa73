"""The pages of portfolios without a browser: what is typed becomes the request, errors stand at their fields."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from accounts.models import User
from backtests.models import AllocationStudy
from backtests.portfolios import job, services
from backtests.portfolios.forms import PortfolioForm
from strategies.models import UserStrategy
from tests.backtests.portfolios.made import BODY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("K7", "N6")]

TYPED: dict[str, list[str]] = {
    "symbols": ["AAPL", "ibm", "MSFT"],
    "timeframe": ["1d"],
    "start_date": ["2005-01-01"],
    "end_date": ["2006-12-31"],
    "initial_capital": ["50,000"],
    "method": ["black_litterman"],
    "rebalance": ["weekly"],
    "compute": ["once"],
    "account_limits": ["true"],
    "source": ["sample"],
    "strategy_parameters.lookback": ["100"],
    "strategy_parameters.max_weight_pct": ["70"],
    "strategy_parameters.target_return_pct": ["12"],
    "settings.commission_rate": ["0.001"],
    "settings.fill_at": ["next_open"],
    "groups.name": ["", "Hardware"],
    "groups.symbols": ["", "aapl, ibm"],
    "groups.min_pct": ["", ""],
    "groups.max_pct": ["", "80"],
    "views.symbol": ["aapl"],
    "views.return_pct": ["20"],
    "views.over": ["MSFT"],
    "views.confidence": [""],
}


def typed(**changes: Any) -> QueryDict:
    sent = QueryDict(mutable=True)
    for name, values in {**TYPED, **changes}.items():
        sent.setlist(name, values)
    return sent


@pytest.fixture
def browser(alice: User, sample_data: None) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.mark.row("K4", "K5")
def test_what_is_typed_becomes_the_request(alice: User, sample_data: None) -> None:
    form = PortfolioForm.from_request(alice, typed())
    body = form.check()
    assert (form.errors, form.other_errors) == ({}, [])
    assert body["symbols"] == ["AAPL", "IBM", "MSFT"]
    assert body["initial_capital"] == 50_000
    sent = body["parameters"]
    assert (sent["method"], sent["compute"], sent["lookback"]) == ("black_litterman", "once", 100)
    assert sent["groups"] == [{"name": "Hardware", "symbols": ["AAPL", "IBM"], "max_pct": 80}]
    assert sent["views"] == [{"symbol": "AAPL", "return_pct": 20, "over": "MSFT"}]
    assert "target_return_pct" not in sent, "which another method reads"
    config = services.check(alice, body).config
    again = PortfolioForm.from_config(alice, config.as_dict())
    assert services.check(alice, again.check()).config == config


@pytest.mark.row("K5")
def test_a_row_that_cannot_be_is_named_as_it_stands_on_the_page(alice: User, sample_data: None) -> None:
    groups = {"groups.symbols": ["", "aapl, x"], "groups.max_pct": ["", "120"]}
    form = PortfolioForm.from_request(alice, typed(**groups))
    form.check()
    assert form.errors["groups"].startswith("Row 2, most: ")
    form = PortfolioForm.from_request(alice, typed(**{"groups.symbols": ["", "x, y"]}))
    form.check()
    assert form.errors["groups"].startswith("Row 2, symbols: X is none of the symbols")
    form = PortfolioForm.from_request(alice, typed(**{"strategy_parameters.max_weight_pct": ["20"]}))
    form.check()
    assert "At least 33.34 %" in form.errors["strategy_parameters.max_weight_pct"]
    form = PortfolioForm.from_request(alice, typed(**{"views.return_pct": ["much"]}))
    form.check()
    assert form.errors["views"] == "Row 1, earns: “much” is not a number."


def test_the_form_starts_once_and_shows_what_is_wrong(browser: Client, alice: User) -> None:
    sent = dict(typed(key=["drawn"]).lists())
    first = browser.post(reverse("portfolios:new"), sent)
    study = AllocationStudy.objects.get()
    assert first["Location"] == reverse("portfolios:detail", args=[study.pk])
    assert browser.post(reverse("portfolios:new"), sent)["Location"] == first["Location"]
    wrong = browser.post(reverse("portfolios:new"), {**sent, "symbols": ["AAPL"]})
    assert wrong.status_code == 400
    assert b"Not started" in wrong.content
    checked = browser.post(reverse("portfolios:check"), {**sent, "strategy_parameters.max_weight_pct": ["20"]})
    assert "At least 33.34 %" in checked.content.decode()
    assert AllocationStudy.objects.count() == 1


def test_each_state_has_its_page(browser: Client, alice: User) -> None:
    study = services.submit(alice, {**BODY, "name": "<b>Mine</b>"})
    address = reverse("portfolios:detail", args=[study.pk])
    assert b"Waiting for a free worker" in browser.get(address).content
    assert browser.get(reverse("portfolios:drawing", args=[study.pk])).json() == {}
    job.run(study.pk)
    page = browser.get(address).content.decode()
    assert "Side by side" in page
    assert "&lt;b&gt;Mine&lt;/b&gt;" in page
    drawing = browser.get(reverse("portfolios:drawing", args=[study.pk])).json()
    assert len(drawing["chart"]["equity"]) == len(drawing["chart"]["benchmark"])
    assert [line["label"] for line in drawing["history"]["lines"]]
    kept = browser.post(reverse("portfolios:take", args=[study.pk]), {"name": "From the page"})
    assert kept.status_code == 302
    assert UserStrategy.objects.filter(owner=alice, name="From the page").exists()
    edit = browser.get(reverse("portfolios:new"), {"from": study.pk}).content.decode()
    assert 'value="60"' in edit
    AllocationStudy.objects.filter(pk=study.pk).update(
        state="FAILED", failure_reason="Not so.", failure_faults=[{"message": "Not so.", "hint": "Do this."}]
    )
    assert b"Do this." in browser.get(address).content
    AllocationStudy.objects.filter(pk=study.pk).update(state="CANCELED")
    assert b"You stopped it" in browser.get(address).content
    assert browser.post(reverse("portfolios:delete", args=[study.pk])).status_code == 302
    assert b"No portfolio yet" in browser.get(reverse("portfolios:list")).content
