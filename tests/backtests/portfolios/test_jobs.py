"""Portfolio studies as rows: submitted, done in this process, canceled, taken further; by API and command line."""

from __future__ import annotations

import io
import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Tier, User
from accounts.services import risk
from backtests import job as backtest_job
from backtests.models import AllocationStudy, Backtest, Passport, SubmissionCount
from backtests.portfolios import job, selectors, services
from backtests.portfolios.claims import claims
from backtests.proof import trials
from engine.errors import InputError
from strategies.models import UserStrategy
from tests.backtests.portfolios.made import BODY
from tradingsite.lib.errors import Conflict, NotFound, QuotaExceeded, Unprocessable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("K7")]
Api = Callable[[User | None], APIClient]


@pytest.fixture
def done(alice: User, sample_data: None) -> AllocationStudy:
    return run(alice)


def run(user: User, **changes: Any) -> AllocationStudy:
    study = services.submit(user, {**BODY, **changes})
    job.run(study.pk)
    study.refresh_from_db()
    return study


def test_a_study_runs_through_and_counts_as_a_try(alice: User, sample_data: None) -> None:
    study = services.submit(alice, BODY)
    assert (study.state, study.phase, study.symbols) == ("QUEUED", "waiting", BODY["symbols"])
    job.run(study.pk)
    study.refresh_from_db()
    assert study.state == "DONE", study.failure_reason
    assert sum(row["weight_pct"] for row in study.document["weights"]) == pytest.approx(100, abs=1e-3)
    assert study.volatility_pct == study.document["chosen"]["volatility_pct"] > 0
    assert len(study.data_hash) == 64
    key = trials.key_of("sample", study.symbols)
    assert trials.counted(alice, key) == 1
    run(alice)
    assert trials.counted(alice, key) == 1, "the same once more is no other variant"
    assert SubmissionCount.objects.get(owner=alice).submitted == 2, "each counts against the tier"
    job.run(study.pk)  # a message that comes twice


@pytest.mark.row("J9", "K7")
def test_it_is_saved_as_a_strategy_that_backtests_run_unchanged(done: AllocationStudy, alice: User) -> None:
    saved = services.save_as_strategy(alice, done.pk, "Calm three")
    assert (saved.strategy, saved.parameters["method"]) == ("allocation", "min_variance")
    assert saved.settings["commission_rate"] == 0.001
    from backtests import services as backtest_services

    body = {name: BODY[name] for name in ("symbols", "start_date", "end_date")}
    again = backtest_services.submit(alice, {**body, "saved_strategy_id": saved.pk})
    backtest_job.run(again.pk)
    again.refresh_from_db()
    assert again.result_hash == done.document["backtest"]["result_hash"]
    with pytest.raises(Conflict):
        services.save_as_strategy(alice, done.pk, "Calm three")


@pytest.mark.parametrize(("which", "hash_of"), [("chosen", "result_hash"), ("equal", "equal_hash")])
def test_both_backtests_open_as_backtests_of_their_own(
    done: AllocationStudy, alice: User, which: str, hash_of: str
) -> None:
    backtest = services.open_backtest(alice, done.pk, which)
    assert services.open_backtest(alice, done.pk, which).pk == backtest.pk
    backtest_job.run(backtest.pk)
    backtest.refresh_from_db()
    assert backtest.result_hash == done.document["backtest"][hash_of]
    with pytest.raises(InputError):
        services.open_backtest(alice, done.pk, "best")


@pytest.mark.row("K5")
def test_what_cannot_be_fails_with_what_to_change(alice: User, sample_data: None) -> None:
    aim = {"method": "target_return", "target_return_pct": 900.0, "max_weight_pct": 60}
    study = run(alice, parameters=aim)
    assert (study.state, study.failure_code) == ("FAILED", "invalid_input")
    assert "900 % a year" in study.failure_reason
    (fault,) = study.failure_faults
    assert fault["path"] == "parameters.target_return_pct"
    assert fault["hint"].startswith("The highest is ")
    short = run(alice, end_date="2005-02-28")
    assert short.failure_faults[0]["path"] == "parameters.lookback"
    with pytest.raises(Conflict):
        services.save_as_strategy(alice, study.pk, "None")


def test_it_is_canceled_while_it_waits_and_while_it_runs(alice: User, sample_data: None) -> None:
    waiting = services.submit(alice, BODY)
    assert services.cancel(alice, waiting.pk).state == "CANCELED"
    job.run(waiting.pk)
    running = services.submit(alice, BODY)
    held = claims.claim(running.pk)
    assert held is not None
    assert services.cancel(alice, running.pk).state == "RUNNING"
    assert not claims.beat(held, "weights", 0, 0)
    assert not claims.finish(held, {})
    assert claims.cancel_held(held)
    running.refresh_from_db()
    assert running.state == "CANCELED"
    assert services.cancel(alice, running.pk).state == "CANCELED"


@pytest.mark.row("P9")
def test_one_worker_has_it_and_a_dead_one_s_is_done_again_once(alice: User, sample_data: None) -> None:
    study = services.submit(alice, BODY)
    first = claims.claim(study.pk)
    assert first is not None
    assert claims.claim(study.pk) is None
    long_ago = timezone.now() - timedelta(hours=1)
    AllocationStudy.objects.filter(pk=study.pk).update(heartbeat_at=long_ago)
    assert claims.release_stale() == [study.pk]
    assert not claims.finish(first, {}), "who was thought dead writes nothing any more"
    assert claims.claim(study.pk) is not None
    AllocationStudy.objects.filter(pk=study.pk).update(heartbeat_at=long_ago)
    assert claims.release_stale() == []
    study.refresh_from_db()
    assert (study.state, study.failure_code) == ("FAILED", "worker_lost")


@pytest.mark.row("A5")
def test_strangers_see_and_change_nothing(done: AllocationStudy, bob: User) -> None:
    for act in (services.cancel, services.remove, selectors.get):
        with pytest.raises(NotFound):
            act(bob, done.pk)
    for take in (services.save_as_strategy, services.open_backtest):
        with pytest.raises(NotFound):
            take(bob, done.pk, "chosen")
    with pytest.raises(NotFound):
        selectors.get(bob, "no id")


def test_a_tier_limits_studies_as_backtests(alice: User, sample_data: None) -> None:
    Tier.objects.filter(pk=alice.tier_id).update(max_concurrent_backtests=1)
    services.submit(alice, BODY)
    with pytest.raises(QuotaExceeded) as caught:
        services.submit(alice, BODY)
    assert caught.value.extra["limit"] == "max_concurrent_backtests"
    Tier.objects.filter(pk=alice.tier_id).update(max_concurrent_backtests=None, max_backtest_bars=100)
    with pytest.raises(QuotaExceeded):
        services.submit(alice, BODY)


def test_a_key_starts_once_and_odd_settings_ask_first(alice: User, sample_data: None) -> None:
    one = services.submit(alice, BODY, "key")
    assert services.submit(alice, BODY, "key").pk == one.pk
    with pytest.raises(Conflict):
        services.submit(alice, {**BODY, "rebalance": "weekly"}, "key")
    odd = {**BODY, "settings": {"take_profit_pct": 0.1, "commission_rate": 0.01}}
    with pytest.raises(Unprocessable):
        services.submit(alice, odd)
    assert services.submit(alice, {**odd, "confirm_cautions": True}).state == "QUEUED"


@pytest.mark.row("W14")
def test_the_limits_of_the_account_as_they_are_now_are_held_against_the_weights(
    done: AllocationStudy, alice: User
) -> None:
    assert selectors.cuts(selectors.get(alice, done.pk)) == []
    risk.set_envelope(alice, {"symbol_cap": Decimal(30_000), "gross_cap": Decimal(90_000)})
    found = selectors.cuts(selectors.get(alice, done.pk))
    assert {"All positions"} < {cut.what for cut in found}
    assert all(cut.weight_pct > cut.cap.most_pct for cut in found)
    bounded = run(alice, parameters={**BODY["parameters"], "max_weight_pct": 60}, initial_capital=90_000)
    assert bounded.state == "DONE", bounded.failure_reason
    assert max(row["weight_pct"] for row in bounded.document["weights"]) <= 100 / 3 + 1e-3


def test_what_a_later_release_refuses_can_still_be_read(done: AllocationStudy, alice: User, api: Api) -> None:
    config = {**done.config, "parameters": {**done.config["parameters"], "method": "of_old"}}
    AllocationStudy.objects.filter(pk=done.pk).update(config=config, method="of_old")
    assert api(alice).get(f"/api/portfolios/{done.pk}").status_code == 200
    browser = Client()
    browser.force_login(alice)
    for name in ("detail", "drawing"):
        assert browser.get(reverse(f"portfolios:{name}", args=[done.pk])).status_code == 200
    with pytest.raises(Conflict):
        services.save_as_strategy(alice, done.pk, "Old")


# --- API --------------------------------------------------------------------------------------------------------------


@pytest.mark.row("B31", "A9")
def test_the_api_takes_watches_keeps_and_deletes(alice: User, bob: User, api: Api, sample_data: None) -> None:
    client = api(alice)
    checked = client.post("/api/portfolios/check", BODY, format="json")
    assert checked.status_code == 200, checked.content
    assert checked.json()["config"]["parameters"]["compute"] == "monthly"
    answer = client.post("/api/portfolios", BODY, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert answer.status_code == 202
    place = answer["Location"]
    assert place == f"/api/portfolios/{answer.json()['id']}"
    assert client.post("/api/portfolios", BODY, format="json", HTTP_IDEMPOTENCY_KEY="one")["Location"] == place
    job.run(uuid.UUID(answer.json()["id"]))
    body = client.get(place).json()
    assert (body["state"], body["cuts"]) == ("DONE", [])
    assert {"weights", "frontier", "correlation", "history", "backtest"} <= set(body["document"])
    listed = client.get("/api/portfolios").json()
    assert (listed["count"], "document" in listed["results"][0]) == (1, False)
    kept = client.post(f"{place}/save-as-strategy", {"name": "Kept"}, format="json")
    assert (kept.status_code, kept.json()["strategy"]) == (201, "allocation")
    opened = client.post(f"{place}/open", {"which": "equal"}, format="json")
    assert opened.status_code == 202
    assert opened["Location"] == f"/api/backtests/{Backtest.objects.get().pk}"
    assert api(bob).get(place).status_code == 404
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404
    assert UserStrategy.objects.filter(owner=alice, name="Kept").exists()
    assert not Passport.objects.exists()


@pytest.mark.row("K5", "A8")
def test_the_api_says_which_field_is_wrong(alice: User, api: Api, sample_data: None) -> None:
    wrong = {**BODY, "parameters": {"method": "min_variance", "max_weight_pct": 30}}
    answer = api(alice).post("/api/portfolios", wrong, format="json")
    assert answer.status_code == 400
    (fault,) = answer.json()["errors"]
    assert fault["path"] == "parameters.max_weight_pct"
    assert "At least 33.34 %" in fault["hint"]


@pytest.mark.row("B12")
def test_answers_cost_the_same_few_queries_however_many_there_are(
    done: AllocationStudy, alice: User, api: Api, django_assert_max_num_queries: Any
) -> None:
    browser = Client()
    browser.force_login(alice)
    client = api(alice)
    asked = [
        *((client, path) for path in ("/api/portfolios", f"/api/portfolios/{done.pk}")),
        *((browser, reverse(f"portfolios:{name}")) for name in ("list", "new")),
        *((browser, reverse(f"portfolios:{name}", args=[done.pk])) for name in ("detail", "drawing", "progress")),
    ]

    def costs() -> list[int]:
        found = []
        for who, path in asked:
            with django_assert_max_num_queries(16) as seen:
                assert who.get(path).status_code == 200, path
            found.append(len(seen))
        return found

    before = costs()
    for name in ("B", "C"):
        AllocationStudy.objects.create(
            owner=alice, name=name, config=done.config, method="kelly", symbols=done.symbols, timeframe="1d",
            rebalance="never", strategy_version="x", document=done.document, state="DONE",
        )  # fmt: skip
    assert costs() == before


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_prints_weights(alice: User, sample_data: None, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps(BODY))
    out = io.StringIO()
    call_command("portfolio", request, user="alice", check=True, stdout=out)
    assert json.loads(out.getvalue())["rebalance"] == "monthly"
    out = io.StringIO()
    call_command("portfolio", request, user="alice", here=True, save="By hand", stdout=out)
    text = out.getvalue()
    assert all(symbol in text for symbol in BODY["symbols"])
    assert "Saved as the strategy By hand" in text
    figures = {line[:24].strip(): line[24:].split() for line in text.splitlines()}
    assert figures["Backtest"] == ["Chosen", "Equal"]
    assert all(re.fullmatch(r"[+−-]?\d+\.\d+", figure) for figure in figures["Sharpe ratio"])
    assert UserStrategy.objects.filter(owner=alice, name="By hand").exists()
    request.write_text(json.dumps({**BODY, "symbols": ["AAPL"]}))
    with pytest.raises(CommandError, match="symbols"):
        call_command("portfolio", request, user="alice", stdout=out)
    request.write_text(json.dumps({**BODY, "end_date": "2005-02-28"}))
    with pytest.raises(CommandError, match="look back"):
        call_command("portfolio", request, user="alice", here=True, stdout=out)
    with pytest.raises(CommandError, match="no user"):
        call_command("portfolio", request, user="nobody", stdout=out)
