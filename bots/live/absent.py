"""News of sessions that nobody runs any more: what of theirs still rests at the venue may fill, and is booked.

There is no engine and no lease of the session then; the account's lease says who may write.
"""

from __future__ import annotations

import logging

from django.db import transaction

from bots.book import CrossingFill
from bots.brokers.base import BrokerEvent, Execution
from bots.host import ledger
from bots.host.account import Absorbed
from bots.host.feeds import wall_time
from bots.host.lease import Lease
from bots.live import grouping
from bots.live.account import BEFORE, LiveAccount, execution_row
from bots.live.asks import Answer
from bots.live.lease import AccountLease
from bots.models import BrokerExecution, SessionEvent, TradingSession
from bots.orders import OrderState
from bots.states import IllegalMove

log = logging.getLogger(__name__)


def book(lease: AccountLease, session: TradingSession, event: BrokerEvent) -> None:
    """Bring one piece of news of a session that is halted or over into its rows; twice is fine."""
    account = LiveAccount.load(session)
    absorbed = Absorbed()
    try:
        if event.execution is not None:
            tracked = account.find(event.execution.client_order_id, event.execution.broker_order_id)
            if tracked is not None and account.execute(tracked, event.execution, absorbed) is not None:
                text = f"Filled while nobody ran the session: {absorbed.trades[-1]}."
                absorbed_event = SessionEvent(session=session, kind="order", level="warning", text=text[:500])
                _write(lease, session, account, absorbed, [absorbed_event])
                return
        if event.order is not None:
            tracked = account.find(event.order.client_order_id, event.order.broker_order_id)
            if tracked is not None:
                at = event.order.updated_at or wall_time()
                account.told(tracked, event.order, at, absorbed)
                legs = grouping.pairs(tracked.row, event.order, [each.row for each in account.orders.values()])
                for leg, told in legs:
                    account.told(account.orders[leg.seq], told, at, absorbed)
                is_replaced = tracked.view.state is OrderState.PENDING_REPLACE and event.order.state in BEFORE
                if is_replaced and not account.has_successor(tracked.row):
                    account.goes_on(tracked, at, absorbed)
                _write(lease, session, account, absorbed, [])
    except (IllegalMove, CrossingFill) as error:
        log.warning("session %s: what the venue told cannot be booked: %s", session.pk, error)
        keep(lease, event.execution, f"{error}")


def answered(lease: AccountLease, session: TradingSession, answer: Answer) -> None:
    """What came of an order that was on its way when its session halted."""
    if answer.order is not None:
        book(lease, session, BrokerEvent("order", answer.order.updated_at or wall_time(), answer.order))
    elif answer.refusal is not None:
        account, absorbed = LiveAccount.load(session), Absorbed()
        tracked = account.find(answer.ask.order.client_order_id)
        if tracked is None:
            return
        if answer.ask.do == "cancel":
            if answer.refusal.code not in ("is_over", "no_order"):
                account.goes_on(tracked, wall_time(), absorbed)
        else:
            tracked.row.state_reason = str(answer.refusal)[:300]
            account.on_its_way(tracked, OrderState.REJECTED, wall_time(), absorbed)
            if tracked.view.state is OrderState.REJECTED:
                account.stays(tracked.row, wall_time(), absorbed)
                for leg in grouping.members(tracked.row, [each.row for each in account.orders.values()]):
                    account.on_its_way(account.orders[leg.seq], OrderState.CANCELED, wall_time(), absorbed)
        _write(lease, session, account, absorbed, [])


def keep(lease: AccountLease, execution: Execution | None, why: str) -> None:
    """An execution that no book takes is kept all the same: it shows as a difference in the inbox."""
    if execution is None:
        return
    log.info("execution %s is kept as nobody's: %s", execution.execution_id, why)
    row = execution_row(lease.account_id, execution, None)
    with transaction.atomic():
        BrokerExecution.objects.bulk_create([row], ignore_conflicts=True)


def _write(
    lease: AccountLease, session: TradingSession, account: LiveAccount, absorbed: Absorbed, events: list[SessionEvent]
) -> None:
    if not (absorbed.changed or absorbed.trades):
        return
    write = ledger.SessionWrite(
        lease=Lease(session.pk, session.fence, lease),
        cursor_before=session.cursor_ns,
        cursor_ns=session.cursor_ns,
        values=account.figures(float(account.book.cash)),
        changed=list(absorbed.changed.values()),
        positions=list(absorbed.positions.values()),
        trades=absorbed.trades,
        executions=absorbed.executions,
        events=events,
    )
    if not ledger.commit_unrun(write):
        log.info("session %s: somebody runs it again, or another host has its account", session.pk)
