"""A passport from the request to the gate of real money: rows, the worker's side, the API, what outdates it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import Tier, User
from backtests.models import Backtest, Passport
from backtests.proof import gate, job, selectors, services, trials
from backtests.proof.claims import claims
from strategies import services as strategy_services
from strategies.proving import Choice
from tests.backtests.proof.rig import made
from tradingsite.lib.errors import Conflict, NotFound, QuotaExceeded, Unprocessable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("W7")]


@pytest.mark.row("W15")
def test_a_passport_is_made_and_made_again_to_the_last_bit(alice, tested):
    first = made(alice, tested)
    assert first.state == "DONE", first.failure_reason
    assert first.verdict in Passport.Verdict.values
    assert first.trials == 1
    assert first.data_hash == tested.data_hash
    assert len(first.document["findings"]) == 9
    again = made(alice, tested)
    assert again.pk != first.pk
    assert (again.result_hash, again.seed) == (first.result_hash, first.seed)


def test_what_cannot_be_examined_is_refused(alice, bob, tested, run_now):
    with pytest.raises(NotFound):
        services.request(bob, tested.pk)
    Backtest.objects.filter(pk=tested.pk).update(state="RUNNING")
    with pytest.raises(Conflict, match="finished"):
        services.request(alice, tested.pk)
    alone = run_now(alice, symbols=["AAPL", "IBM"], symbols_alone=True)
    with pytest.raises(Unprocessable, match="one at a time"):
        services.request(alice, alone.pk)


def test_it_counts_against_the_tier_and_a_second_click_is_the_first(alice, tested):
    first = services.request(alice, tested.pk)
    assert services.request(alice, tested.pk).pk == first.pk
    services.cancel(alice, first.pk)
    Tier.objects.update(max_concurrent_backtests=0)
    with pytest.raises(QuotaExceeded):
        services.request(alice, tested.pk)


def test_canceled_and_taken_over(alice, tested, settings):
    waiting = services.request(alice, tested.pk)
    assert services.cancel(alice, waiting.pk).state == "CANCELED"
    assert claims.claim(waiting.pk) is None
    running = services.request(alice, tested.pk)
    first = claims.claim(running.pk)
    assert first is not None
    assert claims.claim(running.pk) is None
    stale = Now() - timedelta(seconds=settings.BACKTEST_STALE_SECONDS + 5)
    Passport.objects.filter(pk=running.pk).update(heartbeat_at=stale)
    assert claims.release_stale() == [running.pk]
    second = claims.claim(running.pk)
    assert second is not None
    assert not claims.beat(first, 1, 2)
    assert not claims.finish(first, {"verdict": "pass"})
    assert claims.beat(second, 1, 2)
    assert services.cancel(alice, running.pk).state == "RUNNING"
    assert not claims.beat(second, 2, 2)
    assert claims.cancel_held(second)
    third = services.request(alice, tested.pk)
    for _ in range(claims.MAX_ATTEMPTS):
        assert claims.claim(third.pk) is not None
        Passport.objects.filter(pk=third.pk).update(heartbeat_at=stale)
        claims.release_stale()
    third.refresh_from_db()
    assert (third.state, third.failure_code) == ("FAILED", "worker_lost")


def test_over_the_api(alice, bob, api, tested):
    program = api(alice)
    asked = program.post("/api/passports", {"backtest_id": str(tested.pk)})
    assert (asked.status_code, asked.json()["state"]) == (202, "QUEUED")
    where = asked.headers["Location"]
    job.run(Passport.objects.get().pk)
    told = program.get(where).json()
    assert told["state"] == "DONE"
    assert len(told["findings"]) == 9
    assert {"name", "verdict", "figure", "limits", "meaning"} <= set(told["findings"][0])
    assert told["outdated"] == []
    assert told["data_moved"] is False
    assert [one["id"] for one in program.get(f"/api/passports?backtest_id={tested.pk}").json()["results"]] == [
        told["id"]
    ]
    assert program.get("/api/passports?verdict=sure").status_code == 400
    assert program.post("/api/passports", {"backtest_id": "no"}).status_code == 400
    other = api(bob)
    for answer in (other.get(where), other.delete(where), other.post(f"{where}/cancel")):
        assert answer.status_code == 404
    assert other.post("/api/passports", {"backtest_id": str(tested.pk)}).status_code == 404
    assert program.post(f"{where}/cancel").json()["state"] == "DONE"
    assert program.delete(where).status_code == 204


def test_the_gate_lets_through_what_passed_and_still_holds(alice, bob, tested, run_now):
    config = tested.config
    choice = selectors.choice_of(config)

    def refused(user: User = alice, asked: Choice = choice) -> str:
        try:
            gate.refuse_without(user, asked)
        except Unprocessable as refusal:
            return f"{refusal.code}: {refusal.message}"
        return ""

    assert refused().startswith("needs_passport: ")
    assert "There is none" in refused()
    passport = made(alice, tested)
    rows = Passport.objects.filter(pk=passport.pk)
    rows.update(verdict="doubt")
    assert "says: doubt" in refused()
    _let_it_pass(rows)
    assert refused() == ""
    assert "There is none" in refused(bob)
    costs = {**config["settings"], "commission_rate": 0.001}
    assert refused(asked=selectors.choice_of({**config, "settings": costs})) == ""
    for other in (
        {"settings": {**config["settings"], "stop_loss_pct": 3.0}},
        {"strategy_parameters": {**config["strategy_parameters"], "fast_window": 9}},
        {"symbols": ["IBM"]},
        {"timeframe": "1h"},
    ):
        assert "There is none" in refused(asked=selectors.choice_of({**config, **other}))
    rows.update(strategy_version="older")
    assert "code has changed" in refused()
    rows.update(strategy_version=passport.strategy_version, synthetic=True)
    assert "made-up prices" in refused()
    rows.update(synthetic=False)
    trials.count(alice, passport.data_key, 5_000)
    assert "5,000 more variants" in refused()


def test_a_saved_strategy_that_changed_outdates_its_passport(alice, run_now):
    saved = strategy_services.create(alice, name="Mine", strategy="ma_crossover", parameters={"fast_window": 8})
    backtest = run_now(alice, strategy=None, saved_strategy_id=saved.pk)
    passport = made(alice, backtest)
    assert selectors.outdated(passport) == []
    assert [one.pk for one in selectors.of_saved(alice, saved)] == [passport.pk]
    strategy_services.update(alice, saved.pk, {"parameters": {"fast_window": 12}})
    assert "other parameters" in " ".join(selectors.outdated(passport))


def test_prices_that_moved_are_told(alice, tested):
    from marketdata.models import Coverage

    passport = made(alice, tested)
    assert passport.stored_hash
    assert not selectors.data_moved(passport)
    Coverage.objects.filter(instrument__symbol="AAPL").update(content_hash="other")
    assert selectors.data_moved(passport)


def _let_it_pass(rows: Any) -> None:
    """As if the tests had passed: a run of ten years that no luck explains."""
    passport = rows.get()
    document = passport.document
    found = next(one for one in document["findings"] if one["name"] == "deflated_sharpe")
    found["details"]["moments"] = {"observed": 0.09, "n": 2_500, "skewness": 0.0, "kurtosis": 3.0}
    rows.update(verdict="pass", document=document)
