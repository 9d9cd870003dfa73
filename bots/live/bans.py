"""For how long a venue wants to hear nothing of an account, known to every process: each request makes a ban longer,
also that of a host that has just begun."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.core.cache import cache

from bots.brokers.base import Broker

log = logging.getLogger(__name__)


def heed(account_id: int, broker: Broker, on_ban: Callable[[], None] = lambda: None) -> None:
    """Have a broker that was just opened wait for the end of a ban that is known, and tell the others of the next one.

    on_ban: called then, too, in any thread.
    """

    def tell(seconds: float) -> None:
        _note(account_id, seconds)
        on_ban()

    left_s = _left_s(account_id)
    if left_s > 0:
        broker.pace.block(left_s, ban=True)
    broker.pace.on_ban = tell


def _note(account_id: int, seconds: float) -> None:
    log.warning("account %s is banned for %.0f s", account_id, seconds)
    try:
        cache.set(_name(account_id), time.time() + seconds, timeout=seconds + 1)
    except Exception:
        log.exception("account %s: its ban is known to this process only", account_id)


def _left_s(account_id: int) -> float:
    try:
        until = cache.get(_name(account_id))
    except Exception:
        log.exception("account %s: nobody knows whether it is banned", account_id)
        return 0.0
    return until - time.time() if isinstance(until, float) else 0.0


def _name(account_id: int) -> str:
    return f"broker-ban:{account_id}"
