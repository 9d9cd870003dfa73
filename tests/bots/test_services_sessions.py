"""What a user may ask of sessions, and what the rows say afterwards."""

from __future__ import annotations

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts import deliveries
from accounts.models import AuditEvent, Tier, User
from accounts.services import notifications, risk
from bots.models import Order, PaperOrder, SessionCommand, TradingSession
from bots.orders import WORKING
from bots.services import emergency, sessions, settings
from bots.states import SessionState
from engine.errors import InputError
from marketdata import feeds
from tests.accounts.factories import UserFactory
from tests.accounts.receiver import receiving
from tests.bots.factories import fill_session, make_bot, make_session
from tradingsite.lib.errors import ApiError, Conflict, NotAllowed, NotFound, QuotaExceeded, Unprocessable

S = SessionState
THREADS = 50
START: dict[str, Any] = {"strategy": "ma_crossover", "symbols": ["SIM-ALPHA", "SIM-BETA"], "initial_cash": 5_000}


def refused(user: User, **changes: Any) -> dict[str, str]:
    """Path → code of every fault of START with these changes."""
    with pytest.raises((InputError, Unprocessable)) as caught:
        sessions.start(user, {**START, **changes})
    assert all(fault.message for fault in caught.value.faults)
    return {fault.path: fault.code for fault in caught.value.faults}


def idle(session: TradingSession, state: str) -> TradingSession:
    """The session in a state in which no host holds it."""
    columns = {"state": state, "host": "", "lease_expires_at": None}
    TradingSession.objects.filter(pk=session.pk).update(**columns)
    session.refresh_from_db()
    return session


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


def test_a_replay_takes_stored_bars_that_are_there(alice: User) -> None:
    call_command("load_sample_data", verbosity=0)
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


def together(work: Any) -> list[Any]:
    """What fifty threads that begin at one moment got from `work(number)`, refusals included."""
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> Any:
        try:
            barrier.wait(30)
            return work(number)
        except ApiError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


@pytest.mark.row("A3")
@pytest.mark.django_db(transaction=True)
def test_fifty_starts_at_once_stay_within_the_tier() -> None:
    user = UserFactory(tier_id=Tier.BASIC)
    answers = together(lambda _: sessions.start(user, START))
    assert sum(isinstance(answer, tuple) for answer in answers) == 5
    assert {answer.code for answer in answers if isinstance(answer, ApiError)} == {"quota_exceeded"}
    assert TradingSession.objects.count() == 5


@pytest.mark.fault(24)
@pytest.mark.row("C1", "B22")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["key", "bot"])
def test_fifty_equal_starts_at_once_are_one_session(alice: User, kind: str) -> None:
    body = START if kind == "key" else {"bot_id": make_bot(alice).pk}
    answers = together(lambda _: sessions.start(alice, body, "one-key" if kind == "key" else None))
    assert len({session.pk for session, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert TradingSession.objects.count() == 1


def test_a_key_is_for_one_request(alice: User) -> None:
    first, _ = sessions.start(alice, START, "k")
    assert sessions.start(alice, START, "k") == (first, False)
    with pytest.raises(Conflict) as caught:
        sessions.start(alice, {**START, "initial_cash": 6_000}, "k")
    assert caught.value.code == "key_reused"
    with pytest.raises(InputError):
        sessions.start(alice, START, "k" * 201)


@pytest.mark.row("B3", "C3")
def test_pause_resume_and_stop_say_what_is_wanted_and_leave_the_state_to_the_host(alice: User) -> None:
    session = make_session(alice, state=S.RUNNING)
    assert sessions.pause(alice, session.pk).wanted == "PAUSE"
    assert sessions.pause(alice, session.pk).wanted == "PAUSE"
    assert sessions.resume(alice, session.pk).wanted == "RUN"
    stopped = sessions.stop(alice, session.pk)
    assert (stopped.wanted, stopped.stop_policy, stopped.stop_reason, stopped.state) == (
        "STOP",
        "keep",
        "user",
        "RUNNING",
    )
    assert sessions.stop(alice, session.pk, "flatten").stop_policy == "flatten"
    assert sessions.stop(alice, session.pk, "keep").stop_policy == "flatten", "what is being closed is not kept again"
    for ask in (sessions.pause, sessions.resume):
        with pytest.raises(Conflict, match="being stopped"):
            ask(alice, session.pk)
    assert session.events.count() == 4, "what changed nothing is not in the log"


@pytest.mark.row("B2", "C3")
@pytest.mark.django_db
@pytest.mark.parametrize("state", [S.DRAFT, S.SCHEDULED, S.HALTED, S.ORPHANED])
def test_a_session_that_no_host_holds_is_stopped_at_once(alice: User, state: str) -> None:
    session = idle(make_session(alice, state=state), state)
    stopped = sessions.stop(alice, session.pk)
    assert (stopped.state, stopped.stop_reason) == ("STOPPED", "user")
    assert stopped.ended_at
    assert stopped.final_cash == stopped.cash
    assert sessions.stop(alice, session.pk).ended_at == stopped.ended_at


def test_one_that_lost_its_host_with_open_positions_is_left_to_the_next(alice: User) -> None:
    session = idle(fill_session(make_session(alice)), S.ORPHANED)
    stopped = sessions.stop(alice, session.pk, "flatten")
    assert (stopped.state, stopped.wanted, stopped.stop_policy) == ("ORPHANED", "STOP", "flatten")


@pytest.mark.row("W4")
def test_a_halted_session_leaves_no_working_order_behind(alice: User) -> None:
    session = idle(fill_session(make_session(alice)), S.HALTED)
    order = session.orders.filter(state__in=WORKING).first()
    PaperOrder.objects.create(
        client_order_id=order.client_order_id, session=session, symbol=order.symbol, side=order.side, qty=order.qty,
        kind=order.kind, accepted_at=timezone.now(),
    )  # fmt: skip
    stopped = sessions.stop(alice, session.pk)
    assert "1 positions were left" in stopped.state_reason
    assert not Order.objects.filter(session=session, state__in=WORKING).exists()
    assert not PaperOrder.objects.filter(session=session, is_working=True).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("state", [S.STOPPED, S.FAILED, S.HALTED])
def test_nothing_resumes_what_is_over(alice: User, state: str) -> None:
    session = make_session(alice, state=state)
    for ask in (sessions.pause, sessions.resume):
        with pytest.raises(Conflict):
            ask(alice, session.pk)


def test_a_strangers_session_does_not_exist(alice: User, bob: User) -> None:
    session = fill_session(make_session(alice))
    held = session.positions.get(is_open=True)
    for ask in (sessions.pause, sessions.resume, sessions.stop):
        for pk in (session.pk, 987_654, 2**70, -1):
            with pytest.raises(NotFound):
                ask(bob, pk)
    with pytest.raises(NotFound):
        sessions.close_position(bob, held.pk)
    with pytest.raises(NotFound):
        settings.change(bob, session.pk, {"stop_loss_pct": 1})
    with pytest.raises(NotFound):
        emergency.stop_everything(bob, "session", "flatten", session.pk)
    session.refresh_from_db()
    assert session.wanted == "RUN"


@pytest.mark.row("B24")
@pytest.mark.django_db(transaction=True)
def test_fifty_clicks_on_close_are_one_command(alice: User) -> None:
    session = fill_session(make_session(alice))
    held = session.positions.get(is_open=True)
    commands = together(lambda _: sessions.close_position(alice, held.pk))
    assert len({command.pk for command in commands}) == 1
    assert SessionCommand.objects.get().symbol == held.symbol


def test_what_is_closed_or_over_cannot_be_closed(alice: User) -> None:
    session = fill_session(make_session(alice))
    with pytest.raises(Conflict) as caught:
        sessions.close_position(alice, session.positions.filter(is_open=False).first().pk)
    assert caught.value.code == "not_open"
    idle(session, S.HALTED)
    with pytest.raises(Conflict) as over:
        sessions.close_position(alice, session.positions.get(is_open=True).pk)
    assert over.value.code == "session_over"


@pytest.mark.row("W20")
def test_settings_change_by_versions_and_roll_back(alice: User) -> None:
    session = make_session(alice, settings={"stop_loss_pct": 2})
    second = settings.change(alice, session.pk, {"stop_loss_pct": 3, "max_open_positions": 4})
    assert (second.version, second.changed_by) == (2, alice)
    assert second.changes == {"stop_loss_pct": [2.0, 3.0], "max_open_positions": [None, 4]}
    assert settings.change(alice, session.pk, {"stop_loss_pct": 3}).version == 2, "nothing changed, no version"
    third = settings.change(alice, session.pk, {"take_profit_pct": 9}, preset="standard")
    assert (third.stop_loss_pct, third.take_profit_pct) == (None, 9), "a preset is a fresh beginning"
    back = settings.rollback(alice, session.pk, 1)
    assert (back.version, back.rolled_back_to, back.stop_loss_pct, back.take_profit_pct) == (4, 1, 2, None)
    assert session.settings == back
    with pytest.raises(NotFound):
        settings.rollback(alice, session.pk, 9)
    with pytest.raises(Unprocessable):
        settings.change(alice, session.pk, {"position_size_value": 90})
    assert settings.change(alice, session.pk, {"position_size_value": 90}, confirmed=True).version == 5
    idle(session, S.STOPPED)
    with pytest.raises(Conflict):
        settings.change(alice, session.pk, {"stop_loss_pct": 1})


@pytest.mark.row("W20")
@pytest.mark.django_db(transaction=True)
def test_fifty_changes_at_once_are_fifty_versions(alice: User) -> None:
    session = make_session(alice)
    rows = together(lambda n: settings.change(alice, session.pk, {"max_open_positions": 100 + n}))
    assert sorted(row.version for row in rows) == list(range(2, THREADS + 2))


@pytest.mark.row("W4")
def test_the_stop_button_reaches_what_it_says(alice: User, bob: User, carol: User) -> None:
    hers = [fill_session(make_session(alice)), make_session(alice, state=S.PAUSED)]
    his = make_session(bob)
    waiting = make_session(alice, state=S.SCHEDULED)
    paused = emergency.stop_everything(alice, "user", "pause_entries")
    assert {row.session.wanted for row in paused} == {"PAUSE"}
    flattened = emergency.stop_everything(alice, "user", "flatten")
    assert {row.session.pk for row in flattened} == {*(session.pk for session in hers), waiting.pk}
    state = {row.session.pk: row for row in flattened}
    assert (state[hers[0].pk].working_orders, state[hers[0].pk].open_positions, state[hers[0].pk].done) == (2, 1, False)
    assert state[waiting.pk].done, "nobody ran it, nothing is left to do"
    his.refresh_from_db()
    assert his.wanted == "RUN"
    with pytest.raises(NotAllowed):
        emergency.stop_everything(alice, "platform", "flatten")
    emergency.stop_everything(carol, "platform", "stop_keep")
    his.refresh_from_db()
    assert (his.wanted, his.stop_policy, his.stop_reason) == ("STOP", "keep", "kill_switch")
    for nonsense in (("galaxy", "flatten"), ("user", "explode"), ("session", "flatten")):
        with pytest.raises(InputError):
            emergency.stop_everything(alice, *nonsense)
