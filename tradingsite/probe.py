"""The health check of a container: exit 0 if its process works, 1 if not.

python -m tradingsite.probe            the web process answers
python -m tradingsite.probe backtests  the worker of this queue is alive and takes work
"""

from __future__ import annotations

import http.client
import sys


def web() -> str:
    """Empty if the web process on this machine answers, else what is wrong."""
    from tradingsite.environment import PORT

    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=8)
    try:
        connection.request("GET", "/health/live")
        status = connection.getresponse().status
    except OSError as error:
        return str(error)
    return "" if status == 200 else f"it answers {status}"


def worker(queue: str) -> str:
    """Empty if the worker of this queue is alive and takes work, else what is wrong."""
    import redis

    from tradingsite import heartbeat

    try:
        return heartbeat.silent([queue]).get(queue, "")
    except redis.RedisError as error:
        return f"Redis: {error}"


if __name__ == "__main__":
    wrong = worker(sys.argv[1]) if len(sys.argv) > 1 else web()
    sys.stdout.write(wrong or "ok")
    sys.exit(1 if wrong else 0)
