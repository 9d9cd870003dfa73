"""Decisions on what the venue and our books differ in: adopt, leave, close; and money and units moved by hand.

Each may be asked for twice. What needs a running session or the venue is written down here and done by the host that
holds the account (`bots.live`): the request never waits for it.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import selectors as account_selectors
from accounts.models import BrokerAccount, User
from accounts.services import audit
from bots import ids, inbox_news, mapping, selectors
from bots.live.differences import plain
from bots.live.reserve import BY_HAND, VALUE, free_cash
from bots.models import BookingRequest, BrokerHolding, CashFlow, Discrepancy, Mode, TradingSession
from bots.selectors import inbox
from bots.services.sessions import log, nudge
from engine.errors import Fault, InputError
from tradingsite.lib.errors import Conflict, Unprocessable

_Kind, _State = Discrepancy.Kind, Discrepancy.State
_ZERO = Decimal(0)


def adopt(user: User, discrepancy_id: int, session_id: int, *, theirs: Decimal | None = None) -> Discrepancy:
    """Let a session take the units of a position's difference over, as its own; its stop follows.

    theirs: what the venue had when the user looked; where it has changed since, nothing is done. Raises NotFound,
    Conflict (decided otherwise, changed, the session is over), Unprocessable (another kind, the session does not trade
    the symbol, holds the other side, has too little cash).
    """
    session = selectors.session(user, session_id)
    with transaction.atomic():
        row = _locked(user, discrepancy_id)
        if row.state == _State.ADOPTED and row.session_id == session.pk:
            return row
        _refuse_decided(row, theirs)
        if row.kind != _Kind.POSITION:
            raise _cannot("adopted", "Only units of a position can be adopted.")
        request = _takeover(row, session)
        request.requested_by, request.discrepancy = user, row
        request.save()
        _decide(row, user, _State.ADOPTED, session=session, ends=False)
        log(session, "command", f"Adopt {_units(row)} asked for", by=user)
        nudge(session.pk)
    return row


def leave(user: User, discrepancy_id: int, *, theirs: Decimal | None = None) -> Discrepancy:
    """Leave it as it is: units count as external from now on, an order is not told of again, a difference of cash is
    booked as a flow of the account. theirs, raises: as `adopt`."""
    with transaction.atomic():
        row = _locked(user, discrepancy_id)
        if row.state == _State.LEFT:
            return row
        _refuse_decided(row, theirs)
        if row.kind == _Kind.POSITION:
            now = timezone.now()
            holding, _ = BrokerHolding.objects.get_or_create(
                broker_account=row.broker_account, symbol=row.symbol, defaults={"qty": row.theirs, "seen_at": now}
            )
            holding.external += row.theirs - row.ours
            holding.save(update_fields=["external"])
        elif row.kind == _Kind.CASH:
            CashFlow(
                broker_account=row.broker_account, ref=f"difference-{row.pk}", kind=CashFlow.Kind.OTHER,
                amount=row.theirs - row.ours, currency=row.broker_account.currency, at=timezone.now(),
                text="A difference to the venue that was left as it is",
            ).save()  # fmt: skip
        _decide(row, user, _State.LEFT, ends=True)
    return row


def close(user: User, discrepancy_id: int, *, theirs: Decimal | None = None) -> Discrepancy:
    """Have the venue undo it: the units are sold or bought back at the market, a working order is canceled.

    theirs, raises: as `adopt`; Unprocessable for a difference of cash, and for an order of ours.
    """
    with transaction.atomic():
        row = _locked(user, discrepancy_id)
        if row.state in (_State.CLOSING, _State.CLOSED):
            return row
        _refuse_decided(row, theirs)
        if row.kind == _Kind.CASH:
            raise _cannot("closed", "Cash cannot be closed. Leave it, and the books follow the venue.")
        if row.kind == _Kind.ORDER and row.theirs == 0:
            raise _cannot("closed", "The venue does not list this order: there is nothing to cancel.")
        if row.kind == _Kind.POSITION:
            attempt = int(row.detail.get("attempt", 0)) + 1
            row.detail = row.detail | {"attempt": attempt}
            row.client_order_id = ids.closing_order_id(row.pk, attempt)
        _decide(row, user, _State.CLOSING, ends=False)
        nudge_account(row.broker_account)
    return row


def hand_over(user: User, account: BrokerAccount, symbol: str, qty: Decimal, session_id: int) -> BookingRequest:
    """Let a session take over units that were left external; qty: signed, of their sign and no more than there are.

    Raises NotFound, Conflict, Unprocessable, InputError.
    """
    session = selectors.session(user, session_id)
    with transaction.atomic():
        BrokerAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        holding = account.holdings.filter(symbol=symbol).first()
        external = holding.external if holding else _ZERO
        waiting = BookingRequest.objects.filter(
            session__broker_account=account, symbol=symbol, kind=BookingRequest.Kind.ADOPT, done_at__isnull=True
        )
        if waiting.exists():
            raise Conflict(f"{symbol} is being adopted already. Look again in a moment.", code="under_way")
        if qty == 0 or qty * external <= 0 or abs(qty) > abs(external):
            text = f"{plain(external)} units of {symbol} are external"
            raise InputError(Fault("qty", "out_of_range", text, "Ask for these or fewer, with their sign"))
        px = holding.avg_px or holding.mark if holding else None
        row = Discrepancy(broker_account=account, kind=_Kind.POSITION, symbol=symbol, theirs=qty, px=px)
        request = _takeover(row, session)
        request.requested_by, request.ref = user, f"hand-{session.booking_requests.count() + 1}"
        request.save()
        _audited(user, account, "inbox.handed_over", {"symbol": symbol, "qty": plain(qty), "session": session.pk})
        log(session, "command", f"Take {plain(qty)} {symbol} over asked for", by=user)
        nudge(session.pk)
    return request


def give_back(user: User, session_id: int, symbol: str, qty: Decimal | None = None) -> BookingRequest:
    """Have a session let its owner have units of a position: they are external from now on, and their value leaves the
    session with them, as no result of trading. Its orders at the venue let go of them first; then its host books it.

    qty: signed, of the position's sign and no more than it holds; None: all of it. Raises NotFound, Conflict (over, no
    session at a broker, nothing is held, something of it is under way), InputError.
    """
    session = selectors.session(user, session_id)
    if session.mode != Mode.LIVE or session.broker_account is None:
        raise Conflict("Only a session at a broker has units to give back.", code="not_live")
    with transaction.atomic():
        account = BrokerAccount.objects.select_for_update(no_key=True).get(pk=session.broker_account_id)
        _refuse_over(session)
        position = session.positions.filter(symbol=symbol, is_open=True).first()
        if position is None:
            raise Conflict(f"There is no open position in {symbol}.", code="not_open")
        waiting = session.booking_requests.filter(symbol=symbol, done_at__isnull=True)
        if waiting.exists() or session.commands.filter(symbol__in=(symbol, ""), done_at__isnull=True).exists():
            raise Conflict(f"Something of {symbol} is under way already. Look again in a moment.", code="under_way")
        held = _held(session, symbol)
        qty = held if qty is None else qty
        if not qty.is_finite() or qty * held <= 0 or abs(qty) > abs(held):
            text = f"The session holds {plain(held)} {symbol}"
            raise InputError(Fault("qty", "out_of_range", text, "Ask for these or fewer, with their sign"))
        px = position.current_px or position.entry_px
        ref = f"{BY_HAND}{session.booking_requests.count() + 1}"
        columns: dict[str, Any] = {"session": session, "at": timezone.now(), "requested_by": user, "symbol": symbol}
        text = f"Given back to {account.name}"[:200]
        request = BookingRequest.objects.create(
            kind=BookingRequest.Kind.RELEASE, ref=ref, qty=qty, px=px, text=text, **columns
        )
        BookingRequest.objects.create(
            kind=BookingRequest.Kind.CASH, ref=f"{ref}{VALUE}", amount=mapping.money(-qty * px), is_flow=True,
            text="Value of units that were given back", **columns,
        )  # fmt: skip
        detail = {"symbol": symbol, "qty": plain(qty), "session": session.pk}
        _audited(user, account, "inbox.given_back", detail)
        log(session, "command", f"Give {plain(qty)} {symbol} back asked for", by=user)
        nudge(session.pk)
    return request


def move_cash(user: User, session_id: int, amount: Decimal, *, key: str = "") -> BookingRequest:
    """Move money from the account's free cash to a running session, or back (below 0). No result of trading: returns
    and loss limits do not count it.

    key: sent twice, it is moved once. Raises NotFound, Conflict (over, or no session at a broker), Unprocessable (more
    than is free, more than the session has), InputError.
    """
    session = selectors.session(user, session_id)
    if session.mode != Mode.LIVE or session.broker_account is None:
        raise Conflict("Money moves only to sessions at a broker.", code="not_live")
    if not amount.is_finite() or amount == 0 or abs(amount) >= Decimal(10) ** 15:
        raise InputError(Fault("amount", "out_of_range", "Must be an amount of money, not 0.", "Below 0 takes it back"))
    amount = amount.quantize(Decimal("1E-8"))
    with transaction.atomic():
        account = BrokerAccount.objects.select_for_update(no_key=True).get(pk=session.broker_account_id)
        drawn = hashlib.sha256(key.encode()).hexdigest()[:32] if key else session.booking_requests.count() + 1
        ref = f"cash-{drawn}"
        before = session.booking_requests.filter(ref=ref).first()
        if before is not None:
            if before.amount != amount:
                raise Conflict("This key was sent before with another amount.", code="key_reused")
            return before
        _refuse_over(session)
        waiting = session.booking_requests.filter(done_at__isnull=True, is_flow=True, amount__lt=0)
        going = sum(waiting.values_list("amount", flat=True), _ZERO)
        free, own = free_cash(account), (session.cash or _ZERO) + going
        if amount > 0 and (free is None or amount > free):
            raise Unprocessable(f"{account.name} has {max(free or _ZERO, _ZERO):,.2f} {account.currency} free.",
                                code="beyond_free_cash")  # fmt: skip
        if amount < 0 and -amount > own:
            raise Unprocessable(f"The session has {max(own, _ZERO):,.2f} {account.currency} in cash.",
                                code="beyond_session_cash")  # fmt: skip
        request = BookingRequest.objects.create(
            session=session, kind=BookingRequest.Kind.CASH, ref=ref, amount=amount, is_flow=True, at=timezone.now(),
            requested_by=user, text="Moved to the session" if amount > 0 else "Taken back from the session",
        )  # fmt: skip
        detail = {"amount": str(amount), "session": session.pk}
        _audited(user, account, "broker_account.cash_moved", detail)
        log(session, "command", f"{request.text}: {abs(amount):,.2f} {account.currency}", by=user)
        nudge(session.pk)
    return request


def look_now(user: User, account_id: int) -> BrokerAccount:
    """Have the account compared with the venue now. Raises NotFound, Conflict for one that is not in use."""
    account = account_selectors.broker_account(user, account_id)
    if account.state != BrokerAccount.State.ACTIVE:
        text = f"“{account.name}” is not in use: {account.state_reason or 'it is closed'}"
        raise Conflict(text, code="not_active")
    with transaction.atomic():
        nudge_account(account)
    return account


def nudge_account(account: BrokerAccount) -> None:
    """Have whoever holds the account look at it now, and open pages at the inbox, once the transaction commits."""
    session = TradingSession.objects.filter(broker_account=account, state__in=TradingSession.ACTIVE).first()
    if session is not None:
        nudge(session.pk)
    else:
        transaction.on_commit(lambda: _visit(account.pk), robust=True)
    inbox_news.tell(account)


def _visit(account_id: int) -> None:
    from bots import tasks

    tasks.visit_account.delay(account_id)


def _takeover(row: Discrepancy, session: TradingSession) -> BookingRequest:
    """What the session's host is to book, unsaved: units that it takes over, or gives up where it holds others."""
    _refuse_over(session)
    if session.broker_account_id != row.broker_account_id:
        raise _cannot("adopted", "This session trades on another account.")
    if row.symbol not in session.symbols:
        raise _cannot(
            "adopted", f"This session does not trade {row.symbol}. It trades {', '.join(session.symbols[:5])}."
        )
    qty, px = row.theirs - row.ours, row.px
    if px is None:
        raise Conflict("What these units cost is not known yet. Look again in a moment.", code="no_price")
    held = _held(session, row.symbol)
    kind = BookingRequest.Kind.ADOPT
    if held * qty < 0:
        if abs(qty) > abs(held):
            raise _cannot("adopted", f"The session holds {plain(held)} {row.symbol}: it cannot take {plain(qty)} over.")
        kind, qty = BookingRequest.Kind.RELEASE, -qty
    elif qty > 0 and qty * px > (session.cash or _ZERO):
        text = f"They are worth {qty * px:,.2f}, and the session has {session.cash or _ZERO:,.2f} in cash."
        raise Unprocessable(f"{text} Move money to it first, or choose another session.", code="beyond_session_cash")
    return BookingRequest(session=session, kind=kind, ref=f"adopt-{row.pk}", symbol=row.symbol, qty=qty, px=px,
                          at=timezone.now(), text=f"Adopted from {row.broker_account.name}"[:200])  # fmt: skip


def _held(session: TradingSession, symbol: str) -> Decimal:
    position = session.positions.filter(symbol=symbol, is_open=True).first()
    return _ZERO if position is None else position.qty if position.side == "BUY" else -position.qty


def _locked(user: User, discrepancy_id: int) -> Discrepancy:
    """The row with its account locked, as the host does that compares. Raises NotFound."""
    row = inbox.discrepancy(user, discrepancy_id)
    BrokerAccount.objects.select_for_update(no_key=True).get(pk=row.broker_account_id)
    return inbox.discrepancy(user, discrepancy_id)


def _refuse_decided(row: Discrepancy, theirs: Decimal | None) -> None:
    if row.state != _State.OPEN:
        raise Conflict(f"This is decided: {row.get_state_display().lower()}.", code="decided")
    if theirs is not None and theirs != row.theirs:
        text = f"It has changed since you looked: the account has {plain(row.theirs)} now."
        raise Conflict(f"{text} Look again, then decide.", code="changed")


def _refuse_over(session: TradingSession) -> None:
    if not session.is_active or session.wanted == TradingSession.Wanted.STOP:
        text = f"The session is {session.get_state_display().lower()}: nothing is booked in it any more."
        raise Conflict(f"{text} Choose one that runs.", code="session_over")


def _decide(row: Discrepancy, user: User, state: str, *, session: TradingSession | None = None, ends: bool) -> None:
    row.state, row.decided_by, row.decided_at = state, user, timezone.now()
    if session is not None:
        row.session = session
    if ends:
        row.ended_at = row.decided_at
    row.save()
    detail: dict[str, Any] = {"what": row.text, "session": session.pk if session else None, "discrepancy": row.pk}
    _audited(user, row.broker_account, f"inbox.{state.lower()}", detail)
    nudge_account(row.broker_account)


def _audited(user: User, account: BrokerAccount, action: str, detail: dict[str, Any]) -> None:
    audit.record(user, action, target=f"broker account {account.pk}", detail=detail, owner=account.owner)


def _units(row: Discrepancy) -> str:
    return f"{plain(row.theirs - row.ours)} {row.symbol}"


def _cannot(path: str, message: str) -> Unprocessable:
    return Unprocessable(message, code=f"cannot_be_{path}")
