"""What became of a submit whose answer was lost. Never a blind retry, never a new id: the venue is asked, by our id.

Where an id stays used for ever (Alpaca), an absent order is sent again under the same id: it is created once or refused
as a duplicate, and a duplicate is a find. Elsewhere (Binance) an id is free again once its order has ended, so a second
send could fill twice: there the order is proven absent by waiting until it can no longer arrive and then asking for the
id and for its executions; absent in both, it was not placed, and whoever still wants it decides anew under a new id.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from bots.brokers.base import Broker, BrokerOrder, OrderRequest, RateLimited, Refused, VenueDown

CLOCKS_APART = datetime.timedelta(minutes=2)  # how far the venue's clock may be from ours
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 8.0
AFTER_REFUSAL_S = 1.0  # an earlier send that was on its way then has arrived

Steps = Generator[float, None, "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """placed: `order`. absent: there is no such order and will be none; `refused` says why, where the venue did.
    open: not proven in the time given."""

    kind: Literal["placed", "absent", "open"]
    order: BrokerOrder | None = None
    refused: Refused | None = None


def prove(
    broker: Broker,
    request: OrderRequest,
    sent_at: datetime.datetime,
    *,
    now: Callable[[], datetime.datetime],
    may_resend: Callable[[], bool],
    until: datetime.datetime,
) -> Steps:
    """Ask until it is known: yields seconds to wait before the next question, returns the verdict.

    sent_at: of the last send, by our clock. may_resend: whether the order is still wanted as it stands. until: when to
    give up asking. Raises Unauthorised.
    """
    caps, wait = broker.capabilities, FIRST_WAIT_S
    refused: Refused | None = None
    while True:
        try:
            found = broker.find(request.client_order_id, request.symbol)
            if found is not None:
                return Verdict("placed", found)
            if refused is not None:
                return Verdict("absent", refused=refused)
            if caps.ids_stay_used and may_resend():
                sent_at = now()
                return Verdict("placed", broker.submit(request))
            if (now() - sent_at).total_seconds() >= caps.proof_window_s:
                return _by_executions(broker, request, sent_at)
        except Refused as error:
            if error.code != "duplicate_client_id":
                refused = error
                yield AFTER_REFUSAL_S
                continue
        except RateLimited as error:
            wait = max(wait, error.retry_after_s)
        except VenueDown:
            pass
        if now() + datetime.timedelta(seconds=wait) > until:
            return Verdict("open")
        yield wait * random.uniform(0.8, 1.2)  # noqa: S311
        wait = min(max(wait, FIRST_WAIT_S) * 2, LONGEST_WAIT_S)


def _by_executions(broker: Broker, request: OrderRequest, sent_at: datetime.datetime) -> Verdict:
    """The last word on an id that the venue does not know: its executions. Raises as `Broker` says."""
    for execution in broker.executions(sent_at - CLOCKS_APART, [request.symbol]):
        if execution.client_order_id == request.client_order_id:
            order = broker.order(execution.broker_order_id, request.symbol)
            if order is None:
                raise VenueDown("The venue lists an execution of an order that it does not know.")
            return Verdict("placed", order)
    return Verdict("absent")
