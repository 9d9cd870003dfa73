"""The compiled trading kernels in numba's disk cache: are they there, and make them.

    python -m tradingsite.kernels

compiles what is missing and leaves a stamp beside the cache. A worker that finds no cache compiles on its first
backtest, which takes a minute instead of a second.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version

from tradingsite.environment import BASE_DIR, NUMBA_CACHE_DIR

STAMP = NUMBA_CACHE_DIR / "compiled"


def fingerprint() -> str:
    """What the cache was made from. numba knows a cached kernel by its file's time and size, so this does too."""
    made_with = [sys.version, version("numba"), version("numpy"), version("llvmlite")]
    files = sorted((BASE_DIR / "engine").rglob("*.py"))
    stats = [f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files]
    return hashlib.blake2b("\0".join(made_with + stats).encode(), digest_size=16).hexdigest()


def compiled() -> bool:
    """Whether the cache holds the kernels of the code as it is now."""
    return STAMP.is_file() and STAMP.read_text(encoding="ascii") == fingerprint()


def main() -> None:
    if compiled():
        return
    from engine import compile_kernels

    seconds = compile_kernels()
    STAMP.write_text(fingerprint(), encoding="ascii")
    sys.stdout.write(f"Kernels compiled in {seconds:.1f} s.\n")


if __name__ == "__main__":
    main()
