"""What a user may ask when a session starts, and what the rows say afterwards."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts import deliveries
from accounts.models import AuditEvent, Tier, User
from accounts.services import notifications, risk
from bots.models import TradingSession
from bots.services import emergency, sessions
from bots.states import SessionState
from engine.errors import InputError
from marketdata import feeds
from tests.accounts.factories import UserFactory
from tests.accounts.receiver import receiving
from tradingsite.lib.errors import Conflict, NotAllowed, NotFound, QuotaExceeded, Unprocessable

S = SessionState
START: dict[str, Any] = {"strategy": "ma_crossover", "symbols": ["SIM-ALPHA", "SIM-BETA"], "initial_cash": 5_000}


def refused(user: User, **changes: Any) -> dict[str, str]:
    """Path → code of every fault of START with these changes."""
    with pytest.raises((InputError, Unprocessable)) as caught:
        sessions.start(user, {**START, **changes})
    assert all(fault.message for fault in caught.value.faults)
    return {fault.path: fault.code for fault in caught.value.faults}


@pytest.mark.row("C1", "C4")
def test_a_start_writes_the_session_and_version_1_of_its_settings(alice: User) -> None:
    ends = timezone.now() + datetime.timedelta(hours=3)
    session, new = sessions.start(
        alice,
        {
            **START,
            "mode": "PAPER",
            "preset": "conservative",
            "settings": {"stop_loss_pct": 3},
            "strategy_parameters": {"fast_window": 4},
            "scheduled_end_time": ends.isoformat(),
            "name": "Mine",
        },
    )
    assert new
    assert (session.state, session.wanted, session.mode, session.host) == ("SCHEDULED", "RUN", "PAPER", "")
    assert (session.initial_cash, session.symbols, session.timeframe) == (5_000, ["SIM-ALPHA", "SIM-BETA"], "1m")
    assert session.strategy_parameters["fast_window"] == 4
    assert session.strategy_parameters["slow_window"] == 30, "defaults are written out"
    assert session.strategy_version
    assert session.feed == "synthetic"
    assert session.scheduled_end_time == ends
    first = session.settings
    assert (first.version, first.stop_loss_pct, first.take_profit_pct, first.max_open_positions) == (1, 3, 4, 10)
    assert session.events.get().by == alice


@pytest.mark.row("A8", "C1")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"mode": "LIVE"}, {"broker_account_id": "required"}),
        ({"mode": "live"}, {"mode": "unknown_choice"}),
        ({"broker_account_id": 3}, {"broker_account_id": "conflict"}),
        ({"mode": "LIVE", "broker_account_id": "3"}, {"broker_account_id": "not_a_number"}),
        ({"model_id": 3}, {"model_id": "models_not_available"}),
        ({"model_id": "3"}, {"model_id": "not_a_number"}),
        ({"initial_cash": 0}, {"initial_cash": "out_of_range"}),
        ({"initial_cash": "100"}, {"initial_cash": "not_a_number"}),
        ({"initial_cash": float("nan")}, {"initial_cash": "not_a_finite_number"}),
        ({"initial_cash": 10.001}, {"initial_cash": "out_of_range"}),
        ({"symbols": []}, {"symbols": "required"}),
        ({"symbols": None}, {"symbols": "required"}),
        ({"symbols": ["SIM-A", "sim-a"]}, {"symbols[1]": "conflict"}),
        ({"symbols": ["SIM A"]}, {"symbols[0]": "bad_text"}),
        ({"symbols": ["AAPL"]}, {"feed": "required"}),
        ({"symbols": ["AAPL"], "feed": "synthetic"}, {"symbols[0]": "not_found"}),
        ({"symbols": ["AAPL"], "feed": "nasdaq"}, {"feed": "unknown_choice"}),
        ({"feed_options": {"sed": 1}}, {"feed_options.sed": "unknown_field"}),
        ({"strategy": "astrology"}, {"strategy": "unknown_choice"}),
        ({"strategy": None}, {"strategy": "required"}),
        ({"strategy_parameters": {"fast_window": 0}}, {"strategy_parameters.fast_window": "out_of_range"}),
        ({"settings": {"stop_loss_pct": "2"}}, {"settings.stop_loss_pct": "not_a_number"}),
        ({"settings": {"stoploss": 2}}, {"settings.stoploss": "unknown_field"}),
        ({"settings": {"position_size_value": 50}}, {"settings.position_size_value": "size_over_limit"}),
        ({"timeframe": "2m"}, {"timeframe": "unknown_choice"}),
        ({"match_timeframe": "1h"}, {"match_timeframe": "out_of_range"}),
        ({"scheduled_end_time": "2020-01-01T00:00:00Z"}, {"scheduled_end_time": "out_of_range"}),
        ({"scheduled_end_time": "2090-01-01T00:00:00"}, {"scheduled_end_time": "bad_date"}),
        ({"name": "a\x00b"}, {"name": "bad_text"}),
        ({"surprise": 1}, {"surprise": "unknown_field"}),
    ],
    ids=str,
)
def test_a_wrong_start_is_refused_with_the_place(alice: User, changes: dict[str, Any], faults: dict[str, str]) -> None:
    assert refused(alice, **changes) == faults
    assert not TradingSession.objects.exists()


def test_a_start_that_is_no_object_is_refused(alice: User) -> None:
    for nonsense in (None, [], "start", 5):
        with pytest.raises(InputError):
            sessions.start(alice, nonsense)


def test_a_replay_takes_stored_bars_that_are_there(sample_prices: None, alice: User) -> None:
    body = {**START, "symbols": ["AAPL", "IBM"], "timeframe": "1d", "feed": "replay"}
    session, _ = sessions.start(alice, {**body, "feed_options": {"start": "2004-01-05"}})
    options = session.feed_options
    assert (options["source"], options["timeframe"], options["start"]) == ("sample", "1d", "2004-01-05")
    assert options["end"].startswith("2013"), "to the last bar there is"
    assert options["owner"] == alice.pk
    feeds.open_feed(feeds.FeedKey.of("replay", **options))
    assert refused(alice, **{**body, "timeframe": "1m"}) == {"timeframe": "not_found"}
    assert refused(alice, **{**body, "symbols": ["AAPL", "NOPE"]}) == {"symbols[1]": "not_found"}
    options = {"start": "1970-01-01", "end": "1970-02-01"}
    assert refused(alice, **{**body, "feed_options": options}) == {"feed_options.start": "out_of_range"}


@pytest.mark.django_db
@pytest.mark.parametrize("options", [{}, {"accelerate": 60, "seed": 7}], ids=str)
def test_the_options_of_a_session_open_its_feed(alice: User, options: dict[str, Any]) -> None:
    session, _ = sessions.start(alice, {**START, "feed_options": options}, "key")
    feeds.open_feed(feeds.FeedKey.of("synthetic", **session.feed_options))
    assert sessions.start(alice, {**START, "feed_options": options}, "key") == (session, False)


def test_nothing_starts_while_a_kill_switch_is_on(alice: User) -> None:
    risk.throw_kill_switch(alice, True, "enough")
    with pytest.raises(Conflict, match="enough") as caught:
        sessions.start(alice, START)
    assert caught.value.code == "kill_switch_on"
    risk.throw_kill_switch(alice, False)
    risk.set_envelope(alice, {"max_sessions": 0})
    with pytest.raises(Conflict) as limited:
        sessions.start(alice, START)
    assert limited.value.code == "own_limit_reached"


@pytest.mark.row("C5")
def test_a_new_session_is_posted_to_the_owners_webhook(alice: User, settings: Any) -> None:
    with receiving() as receiver:
        settings.WEBHOOK_PORTS, settings.WEBHOOK_PRIVATE_NETWORKS = [receiver.port], True
        notifications.set_channel(alice, "webhook", address=f"{receiver.url}/hook", secret="her signing secret")
        session, _ = sessions.start(alice, START, "once")
        sessions.start(alice, START, "once")
        deliveries.run_due()
    assert len(receiver.seen) == 1
    told = receiver.body()
    assert (told["event"], told["session_id"]) == ("session_created", str(session.pk))
    assert told["data"]["symbols"] == ["SIM-ALPHA", "SIM-BETA"]


@pytest.mark.row("M4")
def test_what_a_person_did_stands_in_the_audit_trail(alice: User, carol: User) -> None:
    session, _ = sessions.start(alice, START)
    TradingSession.objects.filter(pk=session.pk).update(state=S.RUNNING)
    emergency.stop_everything(carol, "platform", "flatten")
    trail = AuditEvent.objects.order_by("pk").values_list("actor", "action", "target")
    target = f"session {session.pk}"
    assert list(trail) == [("alice", "session.state", target), ("carol", "session.state", target)]


@pytest.mark.row("A4")
def test_a_custom_strategy_needs_the_tier_first(alice: User) -> None:
    body = {**START, "strategy": None, "custom_strategy_id": 1}
    with pytest.raises(NotAllowed) as caught:
        sessions.start(alice, body)
    assert caught.value.code == "tier_too_low"
    with pytest.raises(NotFound):
        sessions.start(UserFactory(tier_id=Tier.PREMIUM), body)


@pytest.mark.row("A3")
@pytest.mark.django_db
@pytest.mark.parametrize(("tier", "maximum"), [("FREE", 1), ("BASIC", 5), ("PREMIUM", 10), ("ENTERPRISE", 10)])
def test_the_tier_limits_active_sessions_and_the_refusal_names_them(tier: str, maximum: int) -> None:
    user = UserFactory(tier_id=tier)
    ids = [sessions.start(user, START)[0].pk for _ in range(maximum)]
    with pytest.raises(QuotaExceeded) as caught:
        sessions.start(user, START)
    assert (caught.value.extra["current"], caught.value.extra["maximum"]) == (maximum, maximum)
    assert caught.value.extra["active_session_ids"] == [str(pk) for pk in ids]
    sessions.stop(user, ids[0])
    assert sessions.start(user, START)[1], "a stopped one makes room"


def test_a_key_is_for_one_request(alice: User) -> None:
    first, _ = sessions.start(alice, START, "k")
    assert sessions.start(alice, START, "k") == (first, False)
    with pytest.raises(Conflict) as caught:
        sessions.start(alice, {**START, "initial_cash": 6_000}, "k")
    assert caught.value.code == "key_reused"
    with pytest.raises(InputError):
        sessions.start(alice, START, "k" * 201)
