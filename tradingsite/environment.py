"""Where settings come from, strongest first: `--set NAME=VALUE` on a command line, the environment, `.env`, a default.

No Django here: the starter reads its few settings through the same door, before anything heavy is loaded. Every read
is remembered with its layer, so that `manage.py config` shows what is in force and `.env.example` can be held to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import environ

from tradingsite import command_line

BASE_DIR = Path(__file__).resolve().parent.parent

# A unix socket's path must fit into sockaddr_un.sun_path: 108 bytes on Linux, 104 on macOS, final zero included.
LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class Read:
    """One setting as it was read: its value, the default it would have had, and the layer the value came from."""

    name: str
    value: Any
    default: Any
    layer: str  # "command line", "environment", ".env" or "default"


class Environment(environ.Env):
    """django-environ, remembering each variable that is asked for. Messages name the variable, never its value."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[str, Read] = {}
        self.from_file: frozenset[str] = frozenset()

    def load(self, path: Path) -> None:
        """Take the variables of a `.env` file that the environment does not set already."""
        before = set(os.environ)
        self.read_env(str(path))
        self.from_file = frozenset(set(os.environ) - before)

    def layer(self, name: str) -> str:
        if name in command_line.given:
            return "command line"
        if name in self.from_file:
            return ".env"
        return "environment" if name in os.environ else "default"

    def get_value(
        self,
        var: str,
        cast: Callable[..., Any] | None = None,
        default: Any = environ.Env.NOTSET,
        parse_default: bool = False,
    ) -> Any:
        try:
            value = super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except ValueError as error:
            from django.core.exceptions import ImproperlyConfigured

            wanted = getattr(cast, "__name__", str(cast))
            raise ImproperlyConfigured(f"{var} cannot be read as {wanted} (from: {self.layer(var)}).") from error
        self.read[var] = Read(var, value, default, self.layer(var))
        return value


def redis_socket(var_dir: Path) -> Path:
    """The unix socket of the private Redis of one VAR_DIR.

    Beside the other files where its path is short enough; otherwise in a private directory under /tmp named after
    VAR_DIR and the user, which the starter creates with access for nobody else.
    """
    beside = var_dir / "redis.sock"
    if len(os.fsencode(beside)) <= LONGEST_SOCKET_PATH:
        return beside
    name = f"tradewright-{os.getuid()}-{blake2b(os.fsencode(var_dir), digest_size=6).hexdigest()}"
    # The starter makes this directory private, and refuses one that is not ours.
    return Path("/tmp") / name / "redis.sock"  # noqa: S108  # nosec B108


env = Environment()
ENV_FILE = Path(env.str("ENV_FILE", default=str(BASE_DIR / ".env")))
if ENV_FILE.is_file():
    env.load(ENV_FILE)

# Everything a run writes is under one directory, so that a backup is one copy and a fresh start is one deletion.
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
REDIS_URL = env.str("REDIS_URL", default="") or f"unix://{redis_socket(VAR_DIR)}"
# numba reads this variable when it is first imported, long after this line; workers and commands then share one cache.
NUMBA_CACHE_DIR = Path(env.str("NUMBA_CACHE_DIR", default=str(VAR_DIR / "numba")))
os.environ["NUMBA_CACHE_DIR"] = str(NUMBA_CACHE_DIR)
# Loopback unless somebody asks for more: a fresh install must not be open to the network by accident.
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
BACKTEST_PROCESSES = env.int("BACKTEST_PROCESSES", default=2)  # how many backtests `manage.py up` runs side by side
