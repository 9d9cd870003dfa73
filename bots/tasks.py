"""What workers do for sessions. Celery only nudges: which session runs where is decided by leases in the database."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.core.cache import cache
from django.db.models.functions import Now
from django.utils import timezone

from tradingsite.lib import realtime

log = logging.getLogger(__name__)

SIGN_OLD_S = 15.0
VISITS_S = 30  # at least between two visits to one account
NIGHTLY_AFTER = timedelta(minutes=10)  # past midnight UTC
_stop = threading.Event()


@worker_ready.connect
def _hear_the_end(sender: Any, **_: Any) -> None:
    """Have a trading worker that is told to end tell its hosts first, so that they hand their sessions over.

    Celery's own signal for that comes after the two seconds that it gives to running tasks, and a thread cannot be
    ended from outside.
    """
    if "trading" not in sender.controller.app.amqp.queues.consume_from:
        return

    def wrapped(before: Any) -> Callable[[int, Any], None]:
        def end(number: int, frame: Any) -> None:
            _stop.set()
            before(number, frame)

        return end

    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, wrapped(before))


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
    """Every few seconds: start a host where one is missing, and the bots whose window is open, and end them when it
    closes now; have accounts looked at that no host looks at; once a day compare."""
    from bots.live import visit
    from bots.models import HostSign
    from bots.services import windows

    HostSign.objects.filter(seen_at__lt=Now() - timedelta(hours=1)).delete()
    if not _enough_hosts():
        host.delay()
    windows.open_due(timezone.now())
    windows.follow_hours(timezone.now())
    for account_id in visit.due():
        if cache.add(f"bots:visit:{account_id}", 1, VISITS_S):
            visit_account.delay(account_id)
    for session_id in _not_compared_today():
        parity.delay(session_id)


@shared_task(name="bots.visit_account", ignore_result=True)
def visit_account(account_id: int) -> None:
    """Look at a broker account that no host holds, and have undone there what its owner asked for."""
    from bots.live import visit

    visit.visit(account_id)


@shared_task(name="bots.parity", ignore_result=True)
def parity(session_id: int) -> None:
    """Run a session's tape again through the backtester and store how the two differ."""
    from bots import parity as comparison
    from bots.models import TradingSession

    session = TradingSession.objects.filter(pk=session_id).first()
    if session is None or not session.cycles.exists():
        log.info("session %s: nothing to compare", session_id)
        return
    report = comparison.make(session)
    realtime.publish(session.topic, "parity_made", {"session": session.pk, "identical": report.identical})


@shared_task(name="bots.record_performance", ignore_result=True)
def record_performance() -> None:
    """Write the performance records of sessions that have ended and have none yet."""
    from bots.services import performance

    performance.record_ended()


def _not_compared_today() -> list[int]:
    """Sessions that run and have no parity report of this UTC day; each is named once a day."""
    from bots.models import ParityReport, TradingSession
    from bots.states import ACTIVE

    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    if timezone.now() - midnight < NIGHTLY_AFTER:
        return []
    done = ParityReport.objects.filter(made_at__gte=midnight).values("session")
    running = TradingSession.objects.filter(state__in=ACTIVE, started_at__lt=midnight).exclude(pk__in=done)
    key = f"bots:parity:{midnight:%Y%m%d}"
    return [pk for pk in running.values_list("pk", flat=True)[:5] if cache.add(f"{key}:{pk}", 1, 86_400)]


def _enough_hosts() -> bool:
    from bots.models import HostSign

    alive = HostSign.objects.filter(seen_at__gt=timezone.now() - timedelta(seconds=SIGN_OLD_S)).count()
    return alive >= settings.SESSION_HOSTS
