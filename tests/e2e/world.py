"""Something on every page: what alice sees when she has used the site for a while."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db.models.functions import Now
from django.urls import reverse

from accounts.models import Tier, User
from accounts.services import notifications
from backtests import services
from backtests.models import AllocationStudy, Backtest, Passport, Sweep
from backtests.portfolios import job as study_job
from backtests.portfolios import services as study_services
from backtests.proof import job as proof_job
from backtests.proof import services as proof
from backtests.sweeps import job as sweep_job
from backtests.sweeps import services as sweep_services
from strategies import services as strategies

SWEEP = {
    "backtest": {"strategy": "ma_crossover", "symbols": ["AAPL"], "start_date": "2005-01-01", "end_date": "2010-12-31"},
    "axes": [
        {"name": "fast_window", "from": 5, "to": 50, "step": 5},
        {"name": "slow_window", "from": 20, "to": 120, "step": 10},
        {"name": "stop_loss_pct", "of": "setting", "values": [None, 5]},
    ],
    "constraints": {"min_trades": 5},
    "objective": "sharpe",
}


PORTFOLIO = {
    "symbols": ["AAPL", "IBM", "MSFT"],
    "start_date": "2005-01-01",
    "end_date": "2006-12-31",
    "parameters": {"method": "risk_parity", "max_weight_pct": 60, "lookback": 120},
}


def portfolio(owner: User, **changes: object) -> AllocationStudy:
    """A study that has come to its end."""
    study = study_services.submit(owner, {**PORTFOLIO, **changes})
    study_job.run(study.pk)
    study.refresh_from_db()
    return study


def ended(owner: User, state: Backtest.State, **values: object) -> Backtest:
    """A backtest that ended without a result."""
    backtest = services.submit(owner, {"strategy": "momentum", "symbols": ["IBM", "MSFT"], "name": f"It ended {state}"})
    Backtest.objects.filter(pk=backtest.pk).update(state=state, **values)
    return backtest


def sweeps(owner: User) -> dict[str, str]:
    """One that is done, one that failed under a long name, one that has begun."""
    done = sweep_services.submit(owner, SWEEP)
    while sweep_job.run_next():
        pass
    failed = sweep_services.submit(
        owner, {**SWEEP, "name": "A sweep " + "that goes on and on " * 5, "objective": "cagr_pct"}
    )
    why = "The prices changed while it ran, so its cells could not be compared. Start it again."
    Sweep.objects.filter(pk=failed.pk).update(state="FAILED", failure_code="data_changed", failure_reason=why)
    begun = sweep_services.submit(owner, SWEEP)
    Sweep.objects.filter(pk=begun.pk).update(state="RUNNING")
    found = {"sweep": done, "sweep that failed": failed, "sweep that has begun": begun}
    return {name: reverse("backtests:sweep", args=[row.pk]) for name, row in found.items()}


def passports(owner: User, tested: Backtest, other: Backtest) -> dict[str, str]:
    """One that is made, one that failed, one that is half-way; and the saved strategy that the first is shown on."""
    saved = strategies.create(owner, name="Proven", strategy="ma_crossover")
    Backtest.objects.filter(pk=tested.pk).update(saved_strategy_id=saved.pk)
    made = proof.request(owner, tested.pk)
    proof_job.run(made.pk)
    rows = {"passport": made}
    for name, values in {
        "passport that failed": {"state": "FAILED", "failure_reason": "It needs more memory than this machine has."},
        "passport half-way": {"state": "RUNNING", "runs_done": 9, "runs_total": 24},
    }.items():
        rows[name] = proof.request(owner, other.pk)
        Passport.objects.filter(pk=rows[name].pk).update(heartbeat_at=Now(), **values)
    pages = {name: reverse("backtests:passport", args=[row.pk]) for name, row in rows.items()}
    return {**pages, "saved strategy": reverse("strategies:detail", args=[saved.pk])}


@pytest.fixture
def pages(alice: User, run_now: Callable[..., Backtest]) -> dict[str, str]:
    """Every page by name → address, with something on each: a result, a failure, a canceled run, a waiting one."""
    first = run_now(alice, settings={"stop_loss_pct": 6, "take_profit_pct": 15, "commission_rate": 0.001})
    second = run_now(
        alice, strategy="rsi_bollinger", symbols=["IBM", "MSFT"], name="A name " + "that goes on and on " * 5
    )
    assert (first.state, second.state) == ("DONE", "DONE"), (first.failure_reason, second.failure_reason)
    faults = [
        {"path": "symbols[0]", "code": "not_found", "message": "There are no bars of XYZ.", "hint": "Import some."}
    ]
    failed = ended(
        alice, Backtest.State.FAILED, failure_reason="It cannot be run: no bars of XYZ.", failure_faults=faults
    )
    canceled = ended(alice, Backtest.State.CANCELED, bars_done=120, bars_total=2500)
    Tier.objects.filter(pk=alice.tier_id).update(max_concurrent_backtests=4, max_concurrent_sweeps=2)
    proofs = passports(alice, first, second)
    waiting = services.submit(alice, {"strategy": "buy_and_hold", "symbols": ["GOOG"]})
    aim = {"method": "target_return", "target_return_pct": 900, "max_weight_pct": 60, "lookback": 120}
    studies = {
        "portfolio": portfolio(alice, name="A name " + "that goes on and on " * 5),
        "portfolio, failed": portfolio(alice, parameters=aim),
        "portfolio, waiting": study_services.submit(alice, PORTFOLIO),
    }
    assert [study.state for study in studies.values()] == ["DONE", "FAILED", "QUEUED"]
    detail = {
        name: reverse("backtests:detail", args=[row.pk])
        for name, row in {
            "result": first,
            "result of two symbols": second,
            "failed": failed,
            "canceled": canceled,
            "waiting": waiting,
        }.items()
    }
    for level, title in (("info", "AAPL: 10 bought at 187.32"), ("error", "Session “Momentum” was halted")):
        notifications.notify(alice, "x", level=level, title=title, text="What it is about " * 9, link="/backtests/")
    notifications.notify(alice, "x", level="critical", title="a" * 120)
    notifications.set_channel(alice, "telegram", address="42", secret="123456789:" + "x" * 30)
    notifications.try_channel(alice, "telegram")
    return {
        "list": reverse("backtests:list"),
        "list, nothing found": reverse("backtests:list") + "?q=nothing-like-it",
        "new": reverse("backtests:new"),
        "edit and run again": f"{reverse('backtests:new')}?from={second.pk}",
        "compare": f"{reverse('backtests:compare')}?ids={first.pk},{second.pk}",
        "compare nothing": reverse("backtests:compare"),
        "sweeps": reverse("backtests:sweeps"),
        **sweeps(alice),
        **proofs,
        "new sweep": f"{reverse('backtests:new-sweep')}?symbol=AAPL",
        **detail,
        "portfolios": reverse("portfolios:list"),
        "new portfolio": f"{reverse('portfolios:new')}?from={studies['portfolio'].pk}",
        **{name: reverse("portfolios:detail", args=[study.pk]) for name, study in studies.items()},
        "strategies": reverse("strategies:list"),
        "data": reverse("marketdata:index"),
        "settings": reverse("accounts:settings"),
        "notifications": reverse("notifications:list"),
        "notifications, unread": reverse("notifications:list") + "?show=unread",
    }
