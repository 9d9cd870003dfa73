"""A process that has imported all that a host needs, and forks one whenever it is told to.

It reads one JSON line per order from its input and answers with one: {"start": {"failpoints": {…}, "capacity": 5}} →
{"pid": 4711}; {"status": 4711} → {"code": null} while it runs, else what `waitpid` says (negative: the signal). A host
made like this is up in a tenth of a second, has its own threads, connections and failpoints, and dies with us.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import django


def main() -> None:
    django.setup()
    from bots.host.host import Host  # noqa: F401 - this and the next take the time
    from engine.compile import compile_kernels
    from strategies import catalogue
    from tests.bots.host.quoting import known

    known()
    compile_kernels()
    catalogue.get("ma_crossover")
    _answer({"ready": os.getpid()})
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            _answer({"pid": _fork(order["start"])})
        else:
            _answer({"code": _status(order["status"])})


def _answer(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _status(pid: int) -> int | None:
    try:
        gone, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if gone else None


def _fork(options: dict[str, Any]) -> int:
    from tradingsite.processes import die_with_parent

    ask = die_with_parent(signal.SIGKILL)
    pid = os.fork()
    if pid:
        return pid
    if ask is not None:
        ask()
    code = 1
    try:
        os.setsid()
        os.dup2(2, 1)  # our answers go to the test; a host's output goes to the log
        code = _host(options)
    finally:
        os._exit(code)


def _host(options: dict[str, Any]) -> int:
    import asyncio
    import threading

    from django.conf import settings

    from bots.host.host import Host

    settings.FAILPOINTS = options.get("failpoints") or {}
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    asyncio.run(Host(stop=stop, capacity=options.get("capacity")).run())
    return 0


if __name__ == "__main__":
    main()
