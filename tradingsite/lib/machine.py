"""What this process and its machine have left: memory, processors, disk, network. Read from /proc, where there is one.

Rates are over the time between two reads, so keep one `Machine` and ask it every few seconds.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1_048_576
_LOOPBACK = "lo"


class Machine:
    """`read()` answers {memory, cpu, disk, network}. What this system does not tell is left out."""

    def __init__(self, directory: Path, proc: Path = Path("/proc")) -> None:
        """directory: whose disk is looked at."""
        self._directory, self._proc = directory, proc
        self._before = self._counters()

    def read(self) -> dict[str, dict[str, float]]:
        """memory: process_mb, total_mb, available_mb, used_pct. cpu: cores, load_1m, and since the last read
        process_pct (of one core) and machine_pct. disk: free_mb, used_pct. network (without loopback), since the last
        read: received_kb_s, sent_kb_s.
        """
        now = self._counters()
        passed = {name: now[name] - self._before[name] for name in now if name in self._before}
        self._before = now
        parts = {"memory": self._memory(), "cpu": self._cpu(passed), "disk": self._disk(), "network": _network(passed)}
        return {name: {key: round(value, 2) for key, value in part.items()} for name, part in parts.items() if part}

    def _counters(self) -> dict[str, float]:
        """What only grows: seconds of time and of processors, bytes of the network."""
        times = os.times()
        found = {"s": time.monotonic(), "process_s": times.user + times.system}
        if lines := self._lines("stat"):
            ticks = [int(part) for part in lines[0].split()[1:9]]
            idle = ticks[3] + ticks[4]
            found |= {"machine_s": sum(ticks) * _TICK_S, "busy_s": (sum(ticks) - idle) * _TICK_S}
        if lines := self._lines("net/dev"):
            received = sent = 0
            for line in lines[2:]:
                name, _, counts = line.partition(":")
                if name.strip() != _LOOPBACK:
                    columns = counts.split()
                    received, sent = received + int(columns[0]), sent + int(columns[8])
            found |= {"received": received, "sent": sent}
        return found

    def _memory(self) -> dict[str, float]:
        found: dict[str, float] = {}
        if lines := self._lines("self/statm"):
            found["process_mb"] = int(lines[0].split()[1]) * _PAGE_MB
        amounts = {line.partition(":")[0]: line.split() for line in self._lines("meminfo")}
        if "MemTotal" in amounts and "MemAvailable" in amounts:
            total, available = (int(amounts[name][1]) / 1024 for name in ("MemTotal", "MemAvailable"))
            found |= {"total_mb": total, "available_mb": available, "used_pct": 100.0 * (1.0 - available / total)}
        return found

    def _cpu(self, passed: dict[str, float]) -> dict[str, float]:
        found: dict[str, float] = {"cores": os.cpu_count() or 1, "load_1m": os.getloadavg()[0]}
        if passed["s"] > 0:
            found["process_pct"] = 100.0 * passed["process_s"] / passed["s"]
        if passed.get("machine_s", 0.0) > 0:
            found["machine_pct"] = 100.0 * passed["busy_s"] / passed["machine_s"]
        return found

    def _disk(self) -> dict[str, float]:
        try:
            usage = shutil.disk_usage(self._directory)
        except OSError:
            return {}
        return {"free_mb": usage.free / 1_048_576, "used_pct": 100.0 * usage.used / usage.total}

    def _lines(self, name: str) -> list[str]:
        try:
            return (self._proc / name).read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return []


def _network(passed: dict[str, float]) -> dict[str, Any]:
    if "received" not in passed or passed["s"] <= 0:
        return {}
    return {f"{way}_kb_s": passed[way] / 1024 / passed["s"] for way in ("received", "sent")}
