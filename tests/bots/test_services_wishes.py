"""What a user may ask of sessions that are there, and what the rows say afterwards."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import User
from bots.models import Order, PaperOrder, TradingSession
from bots.orders import WORKING
from bots.services import emergency, sessions, settings
from bots.states import SessionState
from engine.errors import InputError
from tests.bots.factories import fill_session, make_session
from tradingsite.lib.errors import Conflict, NotAllowed, NotFound, Unprocessable

S = SessionState


def idle(session: TradingSession, state: str) -> TradingSession:
    """The session in a state in which no host holds it."""
    columns = {"state": state, "host": "", "lease_expires_at": None}
    TradingSession.objects.filter(pk=session.pk).update(**columns)
    session.refresh_from_db()
    return session


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
