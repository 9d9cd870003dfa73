"""A session whose orders go to the simulated venue, where the engine's own matching fills them."""

from __future__ import annotations

from bots.host import recovery
from bots.host.account import Account
from bots.host.instants import Done, Instant
from bots.host.lease import Lease
from bots.host.runner import Runner
from bots.models import Order, TradingSession
from bots.orders import OrderState
from bots.venues.base import Venue


class PaperRunner(Runner):
    """See `Runner`. venue: shared by all sessions on paper."""

    def __init__(self, lease: Lease, session: TradingSession, venue: Venue) -> None:
        super().__init__(lease, session)
        self.venue = venue

    def reconcile(self) -> None:
        self.account = Account.load(self.session)
        recovery.reconcile(self)

    def blocked_on(self, instant: Instant) -> str | None:
        blocked = self.blocked()
        # Nothing is missing any more: on paper, bars that come late are decided as if in time.
        return None if blocked == "degraded_feed" and instant.backfilled else blocked

    def committed(self, done: Done) -> list[Order]:
        return [order for order in done.write.orders if order.state == OrderState.INTENT]

    def at_venue(self) -> set[str]:
        return {order.client_order_id for order in self.venue.working(self.session.pk)}

    def refused(self, order: Order, reason: str) -> Done:
        """The venue has rejected an entry: it is booked as that, and the engine forgets it."""
        self.account.refused(order.seq, OrderState.REJECTED, reason)
        step = self.desk.portfolio.cancel_entry(order.symbol)
        done = self.between(step, [{"do": "cancel", "symbol": order.symbol}])
        self.event("order", f"The venue rejected {order}: {reason}", level="warning")
        return done
