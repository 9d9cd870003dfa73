"""Backtests of conditions: by a custom strategy's id, sent as they are, saved; and why each position was opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Tier, User
from backtests import selectors, services
from backtests.models import Backtest
from marketdata.services import load_bars
from strategies import conditions
from strategies import services as strategy_services
from strategies.models import CustomStrategy
from strategies.services import custom
from tests.backtests.waiting import wait_for
from tests.strategies.trees import DOWN_CROSS, RSI_HIGH, RSI_LOW, UP_CROSS, make_custom
from tradingsite.lib.errors import NotAllowed

pytestmark = pytest.mark.django_db(transaction=True)
Api = Callable[[User | None], APIClient]
RUN = "/api/backtest/run"
ASKED = {"symbols": ["AAPL", "IBM"], "start_date": "2003-01-01", "end_date": "2008-12-31"}
TREES = {"buy": UP_CROSS, "sell": DOWN_CROSS}


@pytest.fixture
def alice(alice: User) -> User:
    """A user of tier PREMIUM."""
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    return User.objects.get(pk=alice.pk)


@pytest.mark.row("E5", "B9", "W15")
@pytest.mark.slow
def test_a_worker_runs_a_custom_strategy_by_its_id(
    api: Api, alice: User, sample_data: None, backtest_worker: Any
) -> None:
    row = make_custom(alice, "Crossing", buy_conditions=UP_CROSS, sell_conditions=DOWN_CROSS)
    caller = api(alice)
    answer = caller.post(RUN, {**ASKED, "custom_strategy_id": row.pk}, format="json")
    assert answer.status_code == 202, answer.json()
    first = wait_for(Backtest.objects.get(pk=answer.json()["id"]), "DONE", "FAILED")
    assert first.state == "DONE", first.failure_reason
    assert (first.strategy, first.strategy_label) == ("conditions", "Crossing")
    assert first.config["custom_strategy_id"] == row.pk
    assert first.parameters["buy"] == UP_CROSS
    assert first.trade_count > 20

    # Another tree, and then no row at all: what was run stays what it was.
    custom.update(alice, row.pk, {"buy_conditions": RSI_LOW, "sell_conditions": RSI_HIGH})
    again = wait_for(services.rerun(alice, first.pk), "DONE", "FAILED")
    assert again.rerun_report["identical"], again.rerun_report
    changed = wait_for(services.submit(alice, {**ASKED, "custom_strategy_id": row.pk}), "DONE", "FAILED")
    assert changed.result_hash != first.result_hash
    custom.remove(alice, row.pk)
    once_more = wait_for(services.rerun(alice, first.pk), "DONE", "FAILED")
    assert once_more.rerun_report["identical"]
    direct = wait_for(
        services.submit(alice, {**ASKED, "strategy": "conditions", "strategy_parameters": TREES}), "DONE", "FAILED"
    )
    assert direct.result_hash == first.result_hash


@pytest.mark.row("E5")
def test_each_entry_is_explained_as_the_trees_explain_its_bar(
    run_now: Callable[..., Backtest], api: Api, alice: User, client: Any
) -> None:
    row = make_custom(alice, "Crossing", buy_conditions=[UP_CROSS], sell_conditions=DOWN_CROSS)
    done = run_now(alice, **ASKED, strategy=None, custom_strategy_id=row.pk)
    told = selectors.explanations(done)
    assert len(told) == min(500, done.trade_count + len(selectors.summary(done)["open_positions"]))
    loaded = load_bars(["AAPL", "IBM"], "1d", ASKED["start_date"], ASKED["end_date"]).bars
    for entry in told:
        bars = loaded[entry["symbol"]]
        starts = [f"{str(ts.astype('datetime64[ns]'))[:19]}" for ts in bars.ts]
        place = starts.index(entry["signal_time"][:19])
        assert entry["entry_time"][:19] == starts[place + 1], "a market order fills at the next open"
        assert entry["evidence"]["buy"] == conditions.explain(UP_CROSS, bars, [place])[0]
        assert entry["evidence"]["buy"]["is"] is True
        assert entry["reasoning"].startswith("Buy when the close")

    answer = api(alice).get(f"/api/backtests/{done.pk}/explanations?limit=3")
    assert [entry["entry_time"] for entry in answer.json()["results"]] == [e["entry_time"] for e in told[:3]]
    assert answer.json()["count"] == len(told)
    client.force_login(alice)
    page = client.get(reverse("backtests:detail", args=[done.pk])).content.decode()
    assert "Entered because" in page
    assert "crosses above SMA(20)" in page
    assert "✓ true" in page
    assert "Buy when the close crosses above SMA(20)" in page, "its trees stand in words in the request"
    plain = run_now(alice)
    assert selectors.explanations(plain) == []
    assert "Entered because" not in client.get(reverse("backtests:detail", args=[plain.pk])).content.decode()


@pytest.mark.row("A4", "E5")
def test_every_way_in_asks_for_the_tier(api: Api, alice: User, bob: User, sample_data: None) -> None:
    saved = strategy_services.create(alice, name="Saved", strategy="conditions", parameters=TREES)
    row = make_custom(alice, "Hers")
    ways: list[dict[str, Any]] = [
        {"custom_strategy_id": row.pk},
        {"strategy": "conditions", "strategy_parameters": TREES},
        {"saved_strategy_id": saved.pk},
    ]
    caller = api(alice)
    for way in ways:
        assert caller.post(RUN, {**ASKED, **way}, format="json").status_code == 202, way
    stored = Backtest.objects.filter(owner=alice).first()
    Backtest.objects.update(state="DONE")
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.BASIC)
    for way in ways:
        answer = caller.post(RUN, {**ASKED, **way}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "tier_too_low"), way
        assert "Premium or Enterprise" in answer.json()["message"]
    assert caller.post(f"/api/backtests/{stored.pk}/rerun", format="json").status_code == 403
    for change in ({"name": "x", "strategy": "conditions", "parameters": TREES}, {"name": "y", "copy": saved.pk}):
        path = f"/api/strategies/{change.pop('copy')}/copy" if "copy" in change else "/api/strategies"
        assert caller.post(path, change, format="json").json()["code"] == "tier_too_low"
    with pytest.raises(NotAllowed):
        strategy_services.create(bob, name="z", strategy="conditions", parameters=TREES)


@pytest.mark.row("A5", "E5")
@pytest.mark.parametrize(
    ("change", "status", "path", "code"),
    [
        ({"strategy": "momentum"}, 400, "strategy", "conflict"),
        ({"strategy_parameters": TREES}, 400, "strategy_parameters", "conflict"),
        ({"saved_strategy_id": 1}, 400, "saved_strategy_id", "conflict"),
        ({"custom_strategy_id": "1"}, 400, "custom_strategy_id", "not_a_number"),
        ({"custom_strategy_id": True}, 400, "custom_strategy_id", "not_a_number"),
        ({"custom_strategy_id": 0}, 400, "custom_strategy_id", "out_of_range"),
        ({"custom_strategy_id": 987_654}, 404, "", "not_found"),
    ],
    ids=str,
)
def test_what_contradicts_it_is_refused(
    api: Api, alice: User, sample_data: None, change: dict[str, Any], status: int, path: str, code: str
) -> None:
    row = make_custom(alice)
    answer = api(alice).post(RUN, {**ASKED, "custom_strategy_id": row.pk, **change}, format="json")
    assert answer.status_code == status, answer.json()
    assert code in {answer.json()["code"], *(fault["code"] for fault in answer.json()["errors"])}
    assert not path or path in {fault["path"] for fault in answer.json()["errors"]}
    assert not Backtest.objects.exists()


@pytest.mark.row("A5", "E1")
def test_neither_anothers_nor_an_inactive_one_runs(api: Api, alice: User, bob: User, sample_data: None) -> None:
    User.objects.filter(pk=bob.pk).update(tier_id=Tier.ENTERPRISE)
    row = make_custom(alice, is_public=True)
    body = {**ASKED, "custom_strategy_id": row.pk}
    assert api(bob).post(RUN, body, format="json").status_code == 404, "a public one is copied first"
    CustomStrategy.objects.update(is_active=False)
    answer = api(alice).post(RUN, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "custom_inactive")


@pytest.mark.row("B6", "I10")
def test_short_conditions_without_shorting_have_to_be_confirmed(api: Api, alice: User, sample_data: None) -> None:
    row = make_custom(alice, short_conditions=DOWN_CROSS)
    body = {**ASKED, "custom_strategy_id": row.pk}
    asked = api(alice).post(RUN, body, format="json")
    assert (asked.status_code, asked.json()["code"]) == (422, "needs_confirmation")
    assert [fault["path"] for fault in asked.json()["errors"]] == ["settings.allow_short"]
    assert api(alice).post(RUN, {**body, "confirm_cautions": True}, format="json").status_code == 202
    assert api(alice).post(RUN, {**body, "settings": {"allow_short": True}}, format="json").status_code == 202


@pytest.mark.row("G15", "E3")
def test_conditions_on_bars_finer_than_the_runs_are_refused(api: Api, alice: User, sample_data: None) -> None:
    tree = {**UP_CROSS, "left": {"price": "close", "timeframe": "1h"}}
    body = {**ASKED, "strategy": "conditions", "strategy_parameters": {"buy": tree}}
    answer = api(alice).post(RUN, body, format="json")
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["errors"]] == ["timeframe"]


@pytest.mark.row("H14", "E5")
def test_the_command_line_runs_conditions(
    run_now: Callable[..., Backtest], alice: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = make_custom(alice, "Crossing", buy_conditions=UP_CROSS, sell_conditions=DOWN_CROSS)
    done = run_now(alice, **ASKED, strategy=None, custom_strategy_id=row.pk)
    out, trees = tmp_path / "out.json", tmp_path / "trees.json"
    trees.write_text(json.dumps(TREES))
    asked = ["--symbol", "AAPL,IBM", "--start", ASKED["start_date"], "--end", ASKED["end_date"], "--json", str(out)]
    for way in (["--custom-strategy", str(row.pk)], ["--conditions", str(trees)]):
        call_command("backtest", *way, *asked)
        assert json.loads(out.read_text())["final_equity"] == pytest.approx(float(done.final_equity), abs=0.01)
        assert "AAPL, IBM" in capsys.readouterr().out
    trees.write_text(
        json.dumps({"buy_conditions": UP_CROSS, "sell_conditions": DOWN_CROSS, "name": "as the API has it"})
    )
    call_command("backtest", "--conditions", str(trees), *asked)
    assert json.loads(out.read_text())["final_equity"] == pytest.approx(float(done.final_equity), abs=0.01)


@pytest.mark.row("H14", "A8")
@pytest.mark.parametrize(
    ("text", "extra", "said"),
    [
        ('{"buy": {"type": "xor"}}', [], "strategy_parameters.buy.type"),
        ("[1", [], "--conditions"),
        ("[1]", [], "--conditions"),
        ('{"bye": []}', [], "strategy_parameters.bye"),
        ('{"buy": {"type": "and", "type": "or"}}', [], "twice"),
        ("{}", ["--strategy", "momentum"], "--conditions"),
        ("{}", ["--custom-strategy", "1"], "--custom-strategy"),
    ],
)
def test_the_command_line_refuses_what_is_no_conditions(
    db: None, tmp_path: Path, text: str, extra: list[str], said: str
) -> None:
    trees = tmp_path / "trees.json"
    trees.write_text(text)
    with pytest.raises(CommandError, match=said) as caught:
        call_command("backtest", "--conditions", str(trees), "--symbol", "AAPL", *extra)
    assert caught.value.returncode == 2


@pytest.mark.row("H14", "A5")
def test_the_command_line_finds_a_custom_strategy_by_its_id(alice: User, bob: User, sample_data: None) -> None:
    row = make_custom(alice, is_active=False)
    with pytest.raises(CommandError, match="switched off"):
        call_command("backtest", "--custom-strategy", str(row.pk), "--symbol", "AAPL")
    with pytest.raises(CommandError, match="There is no such custom strategy"):
        call_command("backtest", "--custom-strategy", str(row.pk), "--user", "bob", "--symbol", "AAPL")
    with pytest.raises(CommandError, match="There is no such custom strategy"):
        call_command("backtest", "--custom-strategy", "987654", "--symbol", "AAPL")
