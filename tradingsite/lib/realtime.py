"""Live updates: `publish` from a service, `allow` who may listen. The websocket itself is in `consumers`.

A topic is ``<prefix>.<id>`` (``backtest.6f1c…``, ``user.12``). Delivery is at most once. Each message of a topic has a
`seq`, one higher than the last; a page that sees a gap, or that reconnects, fetches a snapshot over HTTP.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import redis
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

log = logging.getLogger(__name__)

TOPIC = re.compile(r"([a-z][a-z_]{0,31})\.([A-Za-z0-9_-]{1,64})")
# Sequence numbers outlive any page that listens; after this many idle seconds a topic starts again at 1, which a page
# that is still there takes for a gap and answers with a fresh snapshot.
_SEQ_IDLE_S = 7 * 86_400
_SEND_TIMEOUT_S = 2.0

Allowed = Callable[[Any, str], bool]
_allowed: dict[str, Allowed] = {}
_outage = threading.Event()  # the last message could not be sent


class BacktestProgress(TypedDict):
    """Payload of ``backtest_progress`` on ``backtest.<id>``.

    done and total count bars times symbols, 0 where not known yet; elapsed_s is None before it started.
    """

    id: str
    state: str
    phase: str
    done: int
    total: int
    elapsed_s: float | None
    failure_reason: str


class SweepProgress(TypedDict):
    """Payload of ``sweep_progress`` on ``sweep.<id>``: done and total count cells; best: cell, objective, feasible."""

    id: str
    state: str
    done: int
    total: int
    chunks_done: int
    best: dict[str, Any] | None
    failure_reason: str


class PortfolioProgress(TypedDict):
    """Payload of ``portfolio_progress`` on ``portfolio.<id>``: done and total count steps of the phase."""

    id: str
    state: str
    phase: str
    done: int
    total: int
    failure_reason: str


def allow(prefix: str, may_listen: Allowed) -> None:
    """Open the topics of a prefix. Call in AppConfig.ready.

    may_listen(user, id) runs in a thread and answers whether this user may hear this topic; for an id that does not
    exist it answers False, so that a stranger's object and a missing one look the same.
    """
    _allowed[prefix] = may_listen


def may_listen(user: Any, topic: str) -> bool:
    """Whether `user` may subscribe to `topic`; False for a topic of an unknown prefix or form."""
    found = TOPIC.fullmatch(topic)
    return bool(found and found[1] in _allowed and _allowed[found[1]](user, found[2]))


def publish(topic: str, event: str, payload: Mapping[str, Any]) -> None:
    """Send an event to everybody who listens to `topic`, once the current transaction commits (at once outside one).

    payload: JSON-ready. Never raises for want of Redis: what the transaction wrote is the truth, the message is only
    news of it. ValueError for a topic that is not ``<prefix>.<id>``.
    """
    if not TOPIC.fullmatch(topic):
        raise ValueError(f"not a topic: {topic!r}")
    sent = dict(payload)
    # No partial: Django's log line of a failed robust hook asks the function for its name.
    transaction.on_commit(lambda: _send(topic, event, sent), robust=True)


def recheck(user_id: int) -> None:
    """Make every open websocket of this user prove its login again (after a logout or a changed password)."""
    transaction.on_commit(lambda: _to_group(user_group(user_id), {"type": "login.recheck"}), robust=True)


def topic_group(topic: str) -> str:
    """The channel layer's name for a topic."""
    return f"topic.{topic}"


def user_group(user_id: int) -> str:
    """The channel layer's name for all websockets of one user."""
    return f"login.{user_id}"


def last_seq(topic: str) -> int:
    """The seq of the topic's newest message; 0 when there was none, or when Redis does not answer."""
    try:
        return int(_redis().get(_seq_key(topic)) or 0)
    except (redis.RedisError, OSError):
        log.exception("no sequence number for %s", topic)
        return 0


def _send(topic: str, event: str, payload: dict[str, Any]) -> None:
    try:
        pipe = _redis().pipeline(transaction=True)
        pipe.incr(_seq_key(topic))
        pipe.expire(_seq_key(topic), _SEQ_IDLE_S)
        seq = pipe.execute()[0]
    except (redis.RedisError, OSError) as error:
        _lost(f"{event} on {topic} was not published: {error}")
        return
    message = {"topic": topic, "event": event, "seq": seq, "payload": payload}
    _to_group(topic_group(topic), {"type": "live.message", "message": message})


def _to_group(group: str, message: dict[str, Any]) -> None:
    """Hand a message to the channel layer from any thread, with or without a running event loop."""
    try:
        sending = asyncio.run_coroutine_threadsafe(get_channel_layer().group_send(group, message), _loop(os.getpid()))
        sending.result(_SEND_TIMEOUT_S)
        _outage.clear()
    except (redis.RedisError, OSError, TimeoutError) as error:
        _lost(f"{message['type']} to {group} was not sent: {error or type(error).__name__}")


def _lost(text: str) -> None:
    """Say that a message is lost: the first of an outage aloud, because hundreds a second may follow."""
    log.log(logging.DEBUG if _outage.is_set() else logging.ERROR, text)
    _outage.set()


@functools.cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=_SEND_TIMEOUT_S)


@functools.cache
def _loop(_pid: int) -> asyncio.AbstractEventLoop:
    """The loop on which this process talks to the channel layer, in a thread of its own.

    One lasting loop keeps one connection and the order of messages; a loop for each message would do neither. The
    process id is the key because a forked worker inherits the loop but not its thread.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="live-publisher", daemon=True).start()
    return loop


def _seq_key(topic: str) -> str:
    return f"tw:seq:{topic}"
