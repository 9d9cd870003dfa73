"""One fetch of a series at a time, whatever the number of processes: who comes later waits, and finds the result."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from marketdata.budget import redis_client
from marketdata.providers import ProviderError

log = logging.getLogger(__name__)

TTL_S, RENEW_S = 30.0, 10.0  # a worker that died is waited for no longer than this
MOST_WAIT_S = 900.0


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """While the block runs, no other process is in a block of that name.

    Without Redis there is no such agreement: then the same may be fetched twice, and is stored once. Raises
    ProviderError where another one fetches for longer than anybody waits.
    """
    import redis
    from redis.exceptions import LockError

    lock = redis_client().lock(
        f"data:fetch:{name}", timeout=TTL_S, sleep=0.1, blocking_timeout=MOST_WAIT_S, thread_local=False
    )
    try:
        held = lock.acquire()
    except (redis.RedisError, OSError):
        log.warning("%s is fetched without a lock: Redis does not answer", name)
        yield
        return
    if not held:
        raise ProviderError("another worker is still fetching this series", retryable=True)
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_S):
            with contextlib.suppress(redis.RedisError, OSError):
                lock.extend(TTL_S, replace_ttl=True)

    renewing = threading.Thread(target=renew, name=f"fetching {name}", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        with contextlib.suppress(LockError, redis.RedisError, OSError):  # lost meanwhile: no longer ours to give up
            lock.release()
