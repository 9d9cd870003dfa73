"""How many requests a vendor's plan still allows: one budget for all processes of the installation.

A limit ("200 a minute") is a window that slides in sixtieths of itself, so that no stretch of that length ever holds
more, wherever it begins. It is counted in Redis by one script: two processes never count past each other. A quarter of
each limit is kept for what runs live. While Redis is away each process counts for itself, and takes a quarter at most.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import redis

log = logging.getLogger(__name__)

Purpose = Literal["history", "live"]
KEPT_FOR_LIVE = 0.25
CAREFUL = 0.25
"""The part of a limit that a process takes for itself while it cannot see what the others take."""
SLOTS = 61  # one more than a window has, so that what is forgotten is older than the window

# KEYS: the pause, then a hash for each limit (number of a slot → weight taken in it). ARGV: weight, slots that count,
# then for each limit what it allows and how long a slot is (ms). Answers 0 where it was taken, else how long to wait.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local weight, slots = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = math.max(redis.call('PTTL', KEYS[1]), 0)
for i = 2, #KEYS do
  local count, length = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local current, used, held = math.floor(now / length), 0, {}
  local rows = redis.call('HGETALL', KEYS[i])
  for j = 1, #rows, 2 do
    local at, taken = tonumber(rows[j]), tonumber(rows[j + 1])
    if at <= current - slots then
      redis.call('HDEL', KEYS[i], rows[j])
    else
      used = used + taken
      held[#held + 1] = {at, taken}
    end
  end
  local over = used + math.min(weight, count) - count
  if over > 0 then
    table.sort(held, function(a, b) return a[1] < b[1] end)
    for _, slot in ipairs(held) do
      over = over - slot[2]
      if over <= 0 then
        wait = math.max(wait, (slot[1] + slots) * length - now)
        break
      end
    end
  end
end
if wait > 0 then return wait end
for i = 2, #KEYS do
  local length = tonumber(ARGV[2 * i])
  redis.call('HINCRBY', KEYS[i], math.floor(now / length), weight)
  redis.call('PEXPIRE', KEYS[i], (slots + 1) * length)
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` requests (or units of weight) in any `seconds`."""

    count: int
    seconds: float

    def allows(self, purpose: Purpose) -> int:
        """What is there for that purpose: all of it live, three quarters for history, never nothing."""
        return self.count if purpose == "live" else max(1, int(self.count * (1.0 - KEPT_FOR_LIVE)))

    @property
    def slot_ms(self) -> int:
        return max(1, round(self.seconds * 1000 / (SLOTS - 1)))


def limits_of(provider: str) -> tuple[Limit, ...]:
    """The limits of the plan that the installation has, from its settings; none for a source without a network."""
    from django.conf import settings

    plans = {
        "alpaca": (Limit(settings.ALPACA_DATA_REQUESTS_PER_MINUTE, 60.0),),
        "polygon": (Limit(settings.POLYGON_REQUESTS_PER_MINUTE, 60.0),),
        "alpha_vantage": (
            Limit(settings.ALPHA_VANTAGE_REQUESTS_PER_DAY, 86_400.0),
            Limit(settings.ALPHA_VANTAGE_REQUESTS_PER_SECOND, 1.0),
        ),
        "yahoo": (Limit(settings.YAHOO_REQUESTS_PER_MINUTE, 60.0),),
        "binance": (Limit(settings.BINANCE_WEIGHT_PER_MINUTE, 60.0),),
    }
    return plans.get(provider, ())


def scope_of(provider: str, base_url: str, key: str) -> str:
    """The name of a budget: a vendor counts by key, and by address where there is none. Tells nothing of the key."""
    return f"{provider}:{hashlib.sha256(f'{base_url}|{key}'.encode()).hexdigest()[:16]}"


def take(scope: str, limits: Sequence[Limit], *, weight: int = 1, purpose: Purpose = "history") -> float:
    """Take `weight` from every limit, or from none. Returns 0.0 where it was taken, else the seconds until it may be
    asked again."""
    import redis

    keys = [_pause_key(scope), *(_limit_key(scope, limit) for limit in limits)]
    sizes = [number for limit in limits for number in (limit.allows(purpose), limit.slot_ms)]
    try:
        wait: Any = redis_client().register_script(_TAKE)(keys=keys, args=[weight, SLOTS, *sizes])
    except (redis.RedisError, OSError):
        log.warning("the budget of %s is counted here alone: Redis does not answer", scope.partition(":")[0])
        return _local.take(scope, limits, weight, purpose)
    return int(wait) / 1000.0


def pause(scope: str, seconds: float) -> None:
    """The vendor wants no request for that long, whatever for. A longer pause that is on stays."""
    import redis

    _local.pause(scope, seconds)
    try:
        client, key, lasts = redis_client(), _pause_key(scope), max(1, int(seconds * 1000))
        if not client.set(key, "1", px=lasts, nx=True):
            client.pexpire(key, lasts, gt=True)
    except (redis.RedisError, OSError):
        log.warning("other processes do not know that %s wants no requests", scope.partition(":")[0])


def left(scope: str, limits: Sequence[Limit], *, purpose: Purpose = "history") -> float:
    """The part of the scarcest limit that is left for that purpose, 0.0 to 1.0; 0.0 during a pause. Changes nothing."""
    import redis

    try:
        client = redis_client()
        if client.exists(_pause_key(scope)):
            return 0.0
        shares = [1.0]
        for limit in limits:
            now = time.time() * 1000 // limit.slot_ms
            rows: Any = client.hgetall(_limit_key(scope, limit))
            used = sum(int(taken) for at, taken in rows.items() if int(at) > now - SLOTS)
            shares.append(max(0.0, 1.0 - used / limit.allows(purpose)))
        return min(shares)
    except (redis.RedisError, OSError):
        return _local.left(scope, limits, purpose)


class _Local:
    """The same for one process alone, on its own clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: defaultdict[tuple[str, Limit], list[tuple[float, int]]] = defaultdict(list)
        self._paused: dict[str, float] = {}

    def take(self, scope: str, limits: Sequence[Limit], weight: int, purpose: Purpose) -> float:
        now = time.monotonic()
        with self._lock:
            wait = max(0.0, self._paused.get(scope, 0.0) - now)
            for limit in limits:
                held = self._held(scope, limit, now)
                over = sum(w for _, w in held) + weight - max(weight, int(limit.allows(purpose) * CAREFUL), 1)
                for at, taken in held if over > 0 else ():
                    over -= taken
                    if over <= 0:
                        wait = max(wait, at + limit.seconds - now)
                        break
            if wait <= 0.0:
                for limit in limits:
                    self._taken[scope, limit].append((now, weight))
            return wait

    def left(self, scope: str, limits: Sequence[Limit], purpose: Purpose) -> float:
        now = time.monotonic()
        with self._lock:
            if self._paused.get(scope, 0.0) > now:
                return 0.0
            used = {limit: sum(w for _, w in self._held(scope, limit, now)) for limit in limits}
        return min(
            (max(0.0, 1.0 - used[one] / max(1, int(one.allows(purpose) * CAREFUL))) for one in limits), default=1.0
        )

    def pause(self, scope: str, seconds: float) -> None:
        with self._lock:
            self._paused[scope] = max(self._paused.get(scope, 0.0), time.monotonic() + seconds)

    def _held(self, scope: str, limit: Limit, now: float) -> list[tuple[float, int]]:
        held = [(at, w) for at, w in self._taken[scope, limit] if now - at < limit.seconds]
        self._taken[scope, limit] = held
        return held


_local = _Local()


def _pause_key(scope: str) -> str:
    return f"data:pause:{scope}"


def _limit_key(scope: str, limit: Limit) -> str:
    return f"data:budget:{scope}:{limit.seconds:g}"


@functools.cache
def redis_client() -> redis.Redis:
    import redis
    from django.conf import settings

    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1)
