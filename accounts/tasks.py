"""Housekeeping that beat starts."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from accounts import guard
from accounts.models import ApiLogin


@shared_task(name="accounts.forget_expired")
def forget_expired() -> None:
    """Delete what no longer counts: tries whose window is over, API logins and sessions past their end."""
    now = timezone.now()
    guard.forget_old(now)
    ApiLogin.objects.filter(expires_at__lte=now).delete()
    call_command("clearsessions")
