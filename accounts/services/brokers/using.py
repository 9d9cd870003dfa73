"""What hosts do with accounts at brokers: take their keys, and write down what the venue said."""

from __future__ import annotations

import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from accounts.models import BrokerAccount, Level
from accounts.services import audit, notifications
from accounts.services.brokers.checking import without
from tradingsite.lib import realtime
from tradingsite.lib.errors import Conflict

_State = BrokerAccount.State
_STEP, _MOST = Decimal("1E-8"), Decimal(10) ** 16
REMEDY = "Check them at the venue, then replace them or check again on the account's page."


def keys_for(account: BrokerAccount, why: str) -> tuple[str, str]:
    """The keys of an account, for whoever opens a connection with them; each time leaves a line in the audit trail.

    why: who uses them and for what, in words. Raises Conflict for an account that is closed or whose keys the venue
    refuses, SecretsLocked.
    """
    with transaction.atomic():
        current = BrokerAccount.objects.select_for_update(of=("self",)).select_related("owner").get(pk=account.pk)
        if current.state != _State.ACTIVE:
            raise Conflict(f"“{current.name}” is not in use: {current.state_reason or 'closed'}", code="not_active")
        keys = current.api_key.reveal(), current.api_secret.reveal()
        current.used_at = timezone.now()
        current.save(update_fields=["used_at"])
        target = f"broker account {current.pk}"
        audit.record(None, "broker_account.keys_used", target=target, detail={"why": why}, owner=current.owner)
    return keys


def mark_refused(account: BrokerAccount, reason: str) -> bool:
    """The venue refuses the keys that `account` was loaded with; its owner is told.

    reason: the venue's words. False where other keys have been put in their place meanwhile: open it again with those.
    Sessions are the caller's to halt. Twice is fine.
    """
    with transaction.atomic():
        current = BrokerAccount.objects.select_for_update(of=("self",)).select_related("owner").get(pk=account.pk)
        if current.api_key.stored != account.api_key.stored or current.api_secret.stored != account.api_secret.stored:
            return False
        if current.state == _State.ACTIVE:
            reason = without(reason, current.api_key.reveal(), current.api_secret.reveal())
            current.state, current.state_reason = _State.REFUSED, reason
            current.save(update_fields=["state", "state_reason", "updated_at"])
            target = f"broker account {current.pk}"
            audit.record(None, "broker_account.refused", target=target, detail={"reason": reason}, owner=current.owner)
            notifications.notify(
                current.owner,
                "broker_account_refused",
                level=Level.CRITICAL,
                title=f"{current.get_kind_display()} refuses the keys of “{current.name}”"[:120],
                text=(
                    f"It says: “{reason.strip().rstrip('.')}”. Every session on this account has halted; others go "
                    f"on. {REMEDY}"
                ),
                link=f"/brokers/{current.pk}/",
                dedup=f"broker-account-refused-{current.pk}",
            )
            realtime.publish(current.topic, "broker_account", {"id": current.pk, "state": current.state})
    account.state, account.state_reason = current.state, current.state_reason
    return True


def mark_ok(account: BrokerAccount) -> None:
    """The venue takes the keys again that it has refused."""
    with transaction.atomic():
        current = BrokerAccount.objects.select_for_update(of=("self",)).select_related("owner").get(pk=account.pk)
        if current.state == _State.REFUSED:
            current.state, current.state_reason, current.checked_at = _State.ACTIVE, "", timezone.now()
            current.save(update_fields=["state", "state_reason", "checked_at", "updated_at"])
            target = f"broker account {current.pk}"
            audit.record(None, "broker_account.accepted", target=target, owner=current.owner)
            realtime.publish(current.topic, "broker_account", {"id": current.pk, "state": current.state})
    account.state, account.state_reason = current.state, current.state_reason


def saw(
    account: BrokerAccount, *, cash: Decimal, equity: Decimal, buying_power: Decimal, at: datetime.datetime
) -> None:
    """What the venue said of its money at that moment."""
    BrokerAccount.objects.filter(pk=account.pk).update(
        cash=stored(cash), equity=stored(equity), buying_power=stored(buying_power), seen_at=at
    )


def stored(amount: Decimal | None) -> Decimal | None:
    """Money as the columns take it; None for what no account can have."""
    if amount is None or not amount.is_finite() or abs(amount) >= _MOST:
        return None
    return amount.quantize(_STEP)
