"""Tells open pages that the inbox of an account has changed: the inbox itself, and the count beside its name."""

from __future__ import annotations

from accounts.models import BrokerAccount
from bots.models import Discrepancy
from tradingsite.lib import realtime


def tell(account: BrokerAccount) -> None:
    """`inbox_changed` once the current transaction commits: on the account's topic with how many of its rows wait for
    a decision, on its owner's with how many wait in all."""
    open_rows = Discrepancy.objects.filter(state=Discrepancy.State.OPEN)
    here = open_rows.filter(broker_account=account).count()
    realtime.publish(account.topic, "inbox_changed", {"account": account.pk, "open": here})
    waiting = open_rows.filter(broker_account__owner=account.owner_id).count()
    realtime.publish(f"user.{account.owner_id}", "inbox_changed", {"waiting": waiting})
