"""What workers do for sessions. Celery only nudges: which session runs where is decided by leases in the database."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import timedelta

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

log = logging.getLogger(__name__)

SIGN_OLD_S = 15.0
_stop = threading.Event()


@worker_shutting_down.connect
def _end_hosts(**_: object) -> None:
    """A worker that stops in good order lets its hosts hand their sessions over."""
    _stop.set()


def nudge(session_id: int) -> None:
    """Have the hosts look at the rows now instead of within a second. Call it once the transaction is committed."""
    from bots.host import nudges

    nudges.send(str(session_id))


@shared_task(name="bots.host", ignore_result=True, acks_late=False)
def host() -> None:
    """Host sessions until this worker stops. Returns at once where hosts enough are alive: a message that comes twice
    does no harm, and would do none even without that, because leases decide."""
    if _enough_hosts():
        return
    from bots.host.host import Host

    asyncio.run(Host(stop=_stop).run())


@shared_task(name="bots.tick", ignore_result=True)
def tick() -> None:
    """Every ten seconds: start a host where one is missing; forget the signs of those that are gone."""
    from bots.models import HostSign

    HostSign.objects.filter(seen_at__lt=Now() - timedelta(hours=1)).delete()
    if not _enough_hosts():
        host.delay()


def _enough_hosts() -> bool:
    from bots.models import HostSign

    alive = HostSign.objects.filter(seen_at__gt=timezone.now() - timedelta(seconds=SIGN_OLD_S)).count()
    return alive >= settings.SESSION_HOSTS
