"""What is left of a position when all that can be sold was sold: commission in the coin leaves less than a step.

It is given back to what the account holds beside its sessions, at the last price, so that the position ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from bots.live.asks import is_dust
from bots.models import BookingRequest

if TYPE_CHECKING:
    from bots.live.runner import LiveRunner


def release(runner: LiveRunner) -> None:
    """Ask for the release of what no order can close; the session's host books it with the other requests."""
    account = runner.account
    busy = {tracked.row.symbol for tracked in account.orders.values()}
    for symbol, position in account.positions.items():
        rules, holding = runner.connection.rules.get(symbol), account.book.holdings[symbol]
        if rules is None or symbol in busy or not is_dust(holding.qty, position.current_px, rules):
            continue
        BookingRequest.objects.get_or_create(
            session=runner.session,
            ref=f"dust:{symbol}:{holding.number}",
            defaults={
                "kind": BookingRequest.Kind.RELEASE,
                "symbol": symbol,
                "qty": holding.qty * holding.sign,
                "px": position.current_px,
                "text": "Less than the venue takes an order for",
                "at": timezone.now(),
            },
        )
