"""Writes: start, pause, resume and stop a trading session; close one of its positions.

A request never runs a session. It says in the row what its owner wants, and the host brings the session there; only a
session that no host holds is moved here, by one conditional UPDATE.
"""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from accounts import quotas
from accounts import selectors as account_selectors
from accounts.models import User
from accounts.services import audit
from accounts.services.notifications import post_event
from bots import selectors
from bots.live import reserve
from bots.models import Bot, Mode, Order, PaperOrder, SessionCommand, SessionEvent, SessionSettings, TradingSession
from bots.orders import WORKING, OrderState
from bots.services import at_broker, feeds
from bots.services.requests import SessionRequest, clean
from bots.settings_columns import from_columns, to_columns
from bots.states import OVER, SessionState, check_move
from strategies import catalogue, proving, readers, session_settings
from tradingsite.lib.errors import Conflict, Unprocessable

Wanted, Policy = TradingSession.Wanted, TradingSession.StopPolicy
_S = SessionState


def start(user: User, payload: Any, idempotency_key: str | None = None) -> tuple[TradingSession, bool]:
    """Write down a session that a host then runs; (the session, whether it is new).

    payload: the body of POST /api/trading/sessions/start (`bots.services.requests`). With ``bot_id``, a session of that
    bot which is active already is the answer. idempotency_key: sent twice with the same request it gives the same row.
    Raises InputError (400), Unprocessable (422: not available yet, cautions to be confirmed), QuotaExceeded (403, names
    the active sessions), NotAllowed (403, the tier), NotFound, Conflict (409: the key was used for another request, the
    broker account is not in use). LIVE besides: Unprocessable for symbols that the venue does not trade, for more
    cash than is free on the account and, with real money, for a choice without a passing passport
    (`strategies.proving`), Unavailable (503) where the venue does not answer. On an exchange's live
    prices: Unavailable where its hours are not known, or were not confirmed for a day. Whether the password must be
    given once more is the caller's to ask (`accounts.services.stepup`).
    """
    key = readers.idempotency_key(idempotency_key)
    request = clean(user, payload)
    if request.cautions and not request.confirmed:
        raise Unprocessable(
            "These settings are unusual. Send confirm_cautions: true to run them as they are.",
            code="needs_confirmation",
            faults=request.cautions,
        )
    if request.account is not None and (key is None or not _is_known(user, key)):
        at_broker.refuse_unknown_symbols(request.account, request.symbols)
    return create(user, request, key)


def create(user: User, request: SessionRequest, key: str | None = None) -> tuple[TradingSession, bool]:
    """The session of a cleaned request; (the session, whether it is new). Raises as `start`."""
    with transaction.atomic():
        # One lock per user: double clicks and parallel posts queue here, so that the key and the quota hold.
        locked = quotas.lock(user)
        if key is not None:
            before = TradingSession.objects.filter(owner=user, idempotency_key=key).first()
            if before is not None:
                if not _is_of(before, request):
                    raise Conflict("This Idempotency-Key was sent before with another request.", code="key_reused")
                return before, False
        if request.bot is not None:
            running = selectors.active_of_bot(request.bot)
            if running is not None:
                return running, False
        _refuse_where_stopped(user, len(active := selectors.active_ids(user)))
        quotas.check_session(locked, active)
        feeds.refuse_unknown_hours(request.calendar, request.feed)
        if request.account is not None:
            _refuse_unproven(user, request)
            reserve.refuse_beyond(request.account, request.initial_cash)
        session = TradingSession.objects.create(
            owner=user,
            bot=request.bot,
            name=request.name,
            mode=request.mode,
            broker_account=request.account,
            state=_S.SCHEDULED,
            initial_cash=request.initial_cash,
            cash=request.initial_cash,
            equity=request.initial_cash,
            symbols=list(request.symbols),
            timeframe=request.timeframe,
            match_timeframe=request.match_timeframe,
            strategy=request.strategy,
            saved_strategy=request.saved_strategy,
            custom_strategy=request.custom_strategy,
            strategy_parameters=request.strategy_parameters,
            strategy_version=catalogue.get(request.strategy).version(),
            feed=request.feed,
            feed_options=feeds.sealed(user, request.feed, request.feed_options),
            scheduled_end_time=request.scheduled_end_time,
            idempotency_key=key,
        )
        settings = to_columns(session_settings.clean(request.settings))
        SessionSettings.objects.create(session=session, version=1, changed_by=user, **settings)
        log(session, "state", "Scheduled: waits for a host", by=user)
        if request.account is not None and request.account.is_real_money and request.passport_override:
            why = request.passport_override
            log(session, "passport", "Started without asking for a passing passport", by=user, reason=why)
        _tell_webhook(user, session)
        nudge(session.pk)
    return session, True


def pause(user: User, session_id: int) -> TradingSession:
    """No new entries from the next bar on; exits go on. Raises NotFound, Conflict for one that stops or is over."""
    return _want(user, session_id, Wanted.PAUSE, "Pause asked for")


def resume(user: User, session_id: int) -> TradingSession:
    """Entries again. Raises NotFound, Conflict for one that stops or is over."""
    return _want(user, session_id, Wanted.RUN, "Resume asked for")


def stop(user: User, session_id: int, policy: str = Policy.KEEP) -> TradingSession:
    """End it: cancel its entries, and close every position where `policy` is "flatten".

    Twice is fine; "flatten" after "keep" closes what was to be kept, "keep" after "flatten" changes nothing. One that
    is over stays as it is. Raises NotFound, InputError for another policy.
    """
    readers.strict(readers.choice, "policy", policy, choices=Policy.values)
    session = selectors.session(user, session_id)
    return end(session, policy, reason="user", by=user)


def end(session: TradingSession, policy: str, *, reason: str, by: User | None) -> TradingSession:
    """Want `session` stopped, whoever asks. reason: as `TradingSession.stop_reason` has it."""
    with transaction.atomic():
        rows = TradingSession.objects.filter(pk=session.pk)
        if _stop_here(rows, session, policy, reason):
            log(session, "state", "Stopped before a host took it, or where it had halted", by=by)
        else:
            going = rows.exclude(state__in=OVER)
            asked = going.exclude(wanted=Wanted.STOP).update(
                wanted=Wanted.STOP, stop_policy=policy, stop_reason=reason, updated_at=Now()
            )
            if not asked and policy == Policy.FLATTEN:
                asked = going.filter(stop_policy=Policy.KEEP).update(stop_policy=policy, updated_at=Now())
            if asked:
                word = "close every position" if policy == Policy.FLATTEN else "keep its positions"
                log(session, "state", f"Stop asked for: {word}", by=by)
                nudge(session.pk)
    session.refresh_from_db()
    return session


def close_position(user: User, position_id: int) -> SessionCommand:
    """Ask the host to close one open position after the next closed bar; the command that waits, if one does already.

    Raises NotFound, Conflict for a position that is closed or whose session no host will run again.
    """
    position = selectors.position(user, position_id)
    if not position.is_open:
        raise Conflict(f"This position in {position.symbol} is closed already.", code="not_open")
    return close_symbol(user, position.session_id, position.symbol)


def close_symbol(user: User, session_id: int, symbol: str) -> SessionCommand:
    """`close_position` by session and symbol."""
    session = selectors.session(user, session_id)
    with transaction.atomic():
        quotas.lock(user)
        waiting = SessionCommand.Kind.CLOSE_POSITION
        command = session.commands.filter(kind=waiting, symbol=symbol, done_at__isnull=True).first()
        if command is not None:
            return command
        if not session.positions.filter(symbol=symbol, is_open=True).exists():
            raise Conflict(f"There is no open position in {symbol}.", code="not_open")
        if not session.is_active:
            raise Conflict(
                f"The session is {session.get_state_display().lower()}: nothing trades for it any more.",
                code="session_over",
            )
        try:
            with transaction.atomic():
                command = SessionCommand.objects.create(session=session, kind=waiting, symbol=symbol, requested_by=user)
        except IntegrityError:  # the same click on another connection
            return session.commands.get(kind=waiting, symbol=symbol, done_at__isnull=True)
        log(session, "command", f"Close {symbol} asked for", by=user)
        nudge(session.pk)
    return command


def log(session: TradingSession, kind: str, text: str, *, by: User | None = None, **detail: Any) -> None:
    """One line in the session's log; what a person did stands in the audit trail, too."""
    SessionEvent.objects.create(session=session, kind=kind, text=text[:500], by=by, detail=detail)
    if by is not None:
        owner = by if by.pk == session.owner_id else session.owner
        target = f"session {session.pk}"
        audit.record(by, f"session.{kind}", target=target, detail={"text": text, **detail}, owner=owner)


def nudge(session_id: int) -> None:
    """Tell the session's host, once the transaction commits, that its row has news. Unheard, it looks by itself."""
    # No partial: Django's log line of a failed robust hook asks the function for its name.
    transaction.on_commit(lambda: _nudge(session_id), robust=True)


def _nudge(session_id: int) -> None:
    from bots import tasks

    tasks.nudge(session_id)


def _tell_webhook(user: User, session: TradingSession) -> None:
    """Post the new session to its owner's webhook, where there is one."""
    facts = {
        "id": session.pk,
        "bot": session.bot_id,
        "name": session.name,
        "mode": session.mode,
        "strategy": session.strategy,
        "strategy_parameters": session.strategy_parameters,
        "symbols": session.symbols,
        "timeframe": session.timeframe,
        "initial_cash": str(session.initial_cash),
        "feed": session.feed,
    }
    post_event(user, "session_created", facts, title=f"{session} was created", session_id=session.pk)


def _refuse_unproven(user: User, request: SessionRequest) -> None:
    """Raises Unprocessable where real money would follow what no passport vouches for, and nobody says why it may."""
    if request.account is None or not request.account.is_real_money or request.passport_override:
        return
    choice = proving.Choice(
        strategy=request.strategy,
        parameters=request.strategy_parameters,
        symbols=request.symbols,
        timeframe=request.timeframe,
        settings=request.settings,
    )
    proving.refuse_without(user, choice)


def _refuse_where_stopped(user: User, active: int) -> None:
    """Raises Conflict while a kill switch is on, or when the user's own limit of sessions is reached."""
    blocked = account_selectors.entries_blocked(user)
    if blocked is not None:
        raise Conflict(f"No session starts now. {blocked}", code="kill_switch_on")
    most = account_selectors.risk_envelope(user).max_sessions
    if most is not None and active >= most:
        raise Conflict(f"Your own limit is {most} sessions at once. Stop one, or raise it.", code="own_limit_reached")


def _want(user: User, session_id: int, wanted: str, text: str) -> TradingSession:
    session = selectors.session(user, session_id)
    with transaction.atomic():
        rows = TradingSession.objects.filter(pk=session.pk, state__in=TradingSession.ACTIVE).exclude(wanted=Wanted.STOP)
        # A host that stops it meanwhile has moved `state` or `wanted`, and then this finds no row.
        if rows.exclude(wanted=wanted).update(wanted=wanted, updated_at=Now()):
            log(session, "state", text, by=user)
            nudge(session.pk)
        session.refresh_from_db()
        if not session.is_active:
            word = session.get_state_display().lower()
            raise Conflict(f"The session is {word}. Start a new one.", code="session_over")
        if session.wanted == Wanted.STOP or session.state == _S.STOPPING:
            raise Conflict("The session is being stopped. Start a new one when it has ended.", code="session_stopping")
    return session


def _stop_here(rows: QuerySet[TradingSession], session: TradingSession, policy: str, reason: str) -> bool:
    """Whether the session was one that no host holds, and is stopped now."""
    unheld = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    untouched = Q(open_positions=0) & ~Q(pk__in=_with_working_orders(session))
    stopped = rows.filter(
        Q(state__in=(_S.DRAFT, _S.SCHEDULED))
        # One that lost its host is taken up again and stopped by the next, where there is anything to undo.
        | (Q(state=_S.ORPHANED) & unheld & untouched)
        | Q(state=_S.HALTED)
    )
    before = stopped.values_list("state", flat=True).first()
    if before is None:
        return False
    check_move(before, _S.STOPPED)
    done = stopped.filter(state=before).update(
        state=_S.STOPPED,
        state_reason=_left_open(session) if before == _S.HALTED else "",
        wanted=Wanted.STOP,
        stop_policy=policy,
        stop_reason=reason,
        ended_at=Now(),
        final_cash=F("cash"),
        updated_at=Now(),
    )
    if done and before == _S.HALTED:
        _clear_paper_venue(session)
    return bool(done)


def _with_working_orders(session: TradingSession) -> QuerySet[Order]:
    return Order.objects.filter(session=session, state__in=WORKING).values("session")


def _left_open(session: TradingSession) -> str:
    count = session.positions.filter(is_open=True).count()
    return f"Stopped where it had halted; {count} positions were left as they were" if count else ""


def _clear_paper_venue(session: TradingSession) -> None:
    """No host comes back to a halted session: its orders at the simulated venue end here."""
    if session.mode != Mode.PAPER:
        return
    PaperOrder.objects.filter(session=session, is_working=True).update(is_working=False)
    session.orders.filter(state__in=WORKING).update(
        state=OrderState.CANCELED, state_reason="Its session was stopped where it had halted", ended_at=Now()
    )


def _is_known(user: User, key: str) -> bool:
    """Whether a session was started with this key already."""
    return TradingSession.objects.filter(owner=user, idempotency_key=key).exists()


def _is_of(session: TradingSession, request: SessionRequest) -> bool:
    """Whether the request is the one that made the session."""
    bot: Bot | None = request.bot
    return (
        session.initial_cash == request.initial_cash
        and session.symbols == list(request.symbols)
        and session.strategy == request.strategy
        and session.strategy_parameters == request.strategy_parameters
        and (session.timeframe, session.match_timeframe) == (request.timeframe, request.match_timeframe)
        and (session.feed, feeds.unsealed(session.feed_options)) == (request.feed, feeds.unsealed(request.feed_options))
        and session.scheduled_end_time == request.scheduled_end_time
        and session.bot_id == (bot.pk if bot else None)
        and session.name == request.name
        and (session.mode, session.broker_account) == (request.mode, request.account)
        and session_settings.as_json(from_columns(session.settings_versions.get(version=1))) == request.settings
    )
