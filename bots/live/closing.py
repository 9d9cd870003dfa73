"""What the inbox asks of the venue: units sold or bought back at the market, an order of somebody else canceled.

An order that closes has an id derived from its row, so that it is sent once whatever happens in between: before each
send the venue is asked for it, and where an id may be used again, only after the time in which it could still appear.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from decimal import ROUND_DOWN, Decimal

from django.db.models import Max
from django.utils import timezone

from accounts.models import BrokerAccount
from accounts.services.notifications import notify
from bots.brokers.base import Broker, BrokerOrder, OrderRequest, Refused, VenueDown
from bots.brokers.naming import pair_of
from bots.live.differences import DUST, plain
from bots.models import Discrepancy
from bots.orders import OrderState

_State = Discrepancy.State
LISTED_SLOWLY = datetime.timedelta(seconds=10)


def waiting(account_ids: Iterable[int]) -> dict[int, datetime.datetime]:
    """Of these accounts, those that have something to close, and when that was last decided; one query."""
    ids = list(account_ids)
    if not ids:
        return {}
    rows = Discrepancy.objects.filter(broker_account__in=ids, state=_State.CLOSING, ended_at__isnull=True)
    return dict(rows.values("broker_account").annotate(last=Max("decided_at")).values_list("broker_account", "last"))


def carry_out(account: BrokerAccount, broker: Broker, may_send: Callable[[], bool] = lambda: True) -> int:
    """One go at everything that is being closed; how many are done. Blocking.

    may_send: asked before anything is sent. Raises what `Broker` raises, but for refusals: those go back to the inbox.
    """
    done = 0
    rows = account.discrepancies.filter(state=_State.CLOSING, ended_at__isnull=True)
    for row in rows.order_by("pk"):
        if row.kind == Discrepancy.Kind.ORDER:
            done += _cancel(row, broker, may_send)
        else:
            done += _trade(row, broker, may_send)
    return done


def _cancel(row: Discrepancy, broker: Broker, may_send: Callable[[], bool]) -> bool:
    order = broker.order(str(row.detail.get("broker_order_id", "")), row.symbol)
    if order is None or order.state.is_over:
        return _closed(row, order)
    if order.state != OrderState.PENDING_CANCEL and may_send():
        try:
            broker.cancel(order)
        except Refused as error:
            if error.code not in ("is_over", "no_order", "not_placed"):
                return _back(row, str(error))
    return False


def _trade(row: Discrepancy, broker: Broker, may_send: Callable[[], bool]) -> bool:
    order = broker.find(row.client_order_id, row.symbol)
    if order is not None:
        if order.state == OrderState.FILLED:
            return _closed(row, order)
        if order.state.is_over:
            return _back(row, order.reason or f"the venue's word is {order.status or order.state}")
        return False
    if not _is_due(row, broker) or not may_send():
        return False
    theirs = next((p.qty for p in broker.positions() if p.symbol == row.symbol), Decimal(0))
    if abs(theirs - row.theirs) > DUST:
        return _back(row, f"it has changed meanwhile: the account has {plain(theirs)}")
    request = _request(row, broker)
    if request is None:
        return _back(row, "it is less than the venue trades")
    row.detail = row.detail | {"sent_at": timezone.now().isoformat()}
    row.save(update_fields=["detail"])
    try:
        broker.submit(request)
    except VenueDown:
        return False  # the next go asks for it by its id
    except Refused as error:
        # A duplicate is the order of a send whose answer was lost; without the lease another host goes on with it.
        return False if error.code in ("duplicate_client_id", "not_placed") else _back(row, str(error))
    return False


def _is_due(row: Discrepancy, broker: Broker) -> bool:
    """Whether a send may happen: none yet, or the last one is proven not to have arrived or may safely be repeated."""
    sent = row.detail.get("sent_at")
    if sent is None:
        return True
    wait = LISTED_SLOWLY
    if not broker.capabilities.ids_stay_used:
        wait += datetime.timedelta(seconds=broker.capabilities.proof_window_s)
    return timezone.now() - datetime.datetime.fromisoformat(sent) > wait


def _request(row: Discrepancy, broker: Broker) -> OrderRequest | None:
    """The order that undoes it, at the venue's step; None: there is not one step of it."""
    units = row.theirs - row.ours
    qty, rules = abs(units), broker.rules([row.symbol]).get(row.symbol)
    if rules is not None:
        step = rules.fraction_step if rules.fractionable else rules.lot
        qty = (qty / step).to_integral_value(ROUND_DOWN) * step
    if qty <= 0:
        return None
    is_coin = pair_of(row.symbol) is not None
    return OrderRequest(
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        side="SELL" if units > 0 else "BUY",
        kind="market",
        time_in_force="gtc" if is_coin else "day",
        qty=qty.normalize() + 0,
    )


def _closed(row: Discrepancy, order: BrokerOrder | None) -> bool:
    row.state, row.ended_at = _State.CLOSED, timezone.now()
    if order is not None and order.avg_px is not None:
        row.detail = row.detail | {"closed_at_px": plain(order.avg_px)}
    row.save(update_fields=["state", "ended_at", "detail"])
    return True


def _back(row: Discrepancy, why: str) -> bool:
    """It could not be closed: somebody has to decide again."""
    row.state, row.decided_by, row.decided_at = _State.OPEN, None, None
    row.detail = {**row.detail, "refused": why[:200]}
    row.detail.pop("sent_at", None)
    row.save(update_fields=["state", "decided_by", "decided_at", "detail"])
    notify(
        row.broker_account.owner, "reconciliation", level="warning", title=f"{row.symbol} could not be closed"[:120],
        text=f"{why}. It is back in the inbox.", link=f"/inbox/?account={row.broker_account_id}",
        dedup=f"not-closed:{row.pk}:{row.client_order_id}",
    )  # fmt: skip
    return False
