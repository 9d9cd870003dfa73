"""Housekeeping that beat starts, and what is sent to channels outside."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from accounts import deliveries, guard, selectors
from accounts.models import ApiLogin


@shared_task(name="accounts.forget_expired")
def forget_expired() -> None:
    """Delete what no longer counts: tries whose window is over, API logins and sessions past their end, old news."""
    now = timezone.now()
    guard.forget_old(now)
    ApiLogin.objects.filter(expires_at__lte=now).delete()
    selectors.old_notifications(now).delete()
    deliveries.forget_old(now)
    call_command("clearsessions")


@shared_task(name="accounts.deliver_waiting")
def deliver_waiting() -> None:
    """Send the deliveries that are due. Sent on commit of each, and by beat for what that missed."""
    deliveries.run_alone()
