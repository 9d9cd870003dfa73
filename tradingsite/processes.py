"""Child processes that cannot outlive us: each in a session of its own, told by the kernel when its parent dies.

Standard library only: the starter (`tradingsite.up`) and the test rig use it, and neither may pay for Django.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def die_with_parent(death_signal: int = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn` that asks the kernel to send `death_signal` when the parent dies, even by kill -9.

    The library is looked up here, before the fork, because little is safe between fork and exec. None where the
    platform has no such call (macOS); there the next start ends what the last one left behind.
    """
    if _libc is None:
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl: nobody is left to tell us
            os._exit(1)

    return ask


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    death_signal: int = signal.SIGTERM,
    user: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session (and so a process group) of its own, without stdin; it is ended when we end.

    Call it from the main thread: the kernel watches the thread that forked, not the process. `user` needs root.
    Raises OSError when the program cannot be started.
    """
    who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    return subprocess.Popen(
        argv,
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=die_with_parent(death_signal),
        **who,  # type: ignore[call-overload]
    )


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the whole group of a process that `spawn` started; a group that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def stop(processes: Iterable[subprocess.Popen[bytes]], *, grace_s: float, first: int = signal.SIGTERM) -> list[int]:
    """End processes together: `first` to each leader, wait up to `grace_s` seconds in all, then kill what is left.

    Returns the ids of those that had to be killed. The whole group is killed at the end, so that a worker's own
    children go with it.
    """
    group = list(processes)
    for process in group:
        if process.poll() is None:
            process.send_signal(first)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(process.poll() is None for process in group):
        time.sleep(0.02)
    killed = [process.pid for process in group if process.poll() is None]
    for process in group:
        signal_group(process, signal.SIGKILL)
        process.wait()
    return killed
