"""What must be in place before the site can run: compiled kernels, an up-to-date database, sample data, a demo user.

Each step leaves a stamp that says from what it was made; a step whose stamp still fits is skipped, which is what makes
the second start quick.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tradingsite import kernels
from tradingsite.environment import BASE_DIR, VAR_DIR, env
from tradingsite.processes import spawn, stop

SQLITE_FILE = VAR_DIR / "db.sqlite3"


class StepFailed(Exception):
    """A step ended with an error; the message says which, and how it ended."""


@dataclass(frozen=True)
class Step:
    """One step: what to say while it runs, the command, the stamp's file and what the stamp must contain.

    `made_from` is asked before the step, to see whether it is needed, and again after it, because a step may create
    what it is recognised by. None means: always needed.
    """

    says: str
    argv: list[str]
    stamp: Path
    made_from: Callable[[], str | None]
    show_output: bool = False


def keys() -> None:
    """Draw this installation's SECRET_KEY and SECRETS_KEYS once, readable by their owner only."""
    _draw("secret_key", "SECRET_KEY", secrets.token_urlsafe(50))
    _draw("secrets_keys", "SECRETS_KEYS", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"))


def _draw(file_name: str, setting: str, key: str) -> None:
    path = VAR_DIR / file_name
    if path.exists() or os.environ.get(setting):
        return
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(key)


def steps() -> list[Step]:
    """All steps, in order."""
    manage = [sys.executable, "manage.py"]
    stamps = VAR_DIR / "stamps"
    return [
        Step(
            "Compiling the trading kernels (once; about a minute)",
            [sys.executable, "-m", "tradingsite.kernels"],
            kernels.STAMP,
            kernels.fingerprint,
        ),
        Step(
            "Bringing the database up to date",
            [*manage, "migrate", "--no-input", "--verbosity", "0"],
            stamps / "database",
            lambda: database("*/migrations/*.py"),
        ),
        Step(
            "Loading the sample prices",
            [*manage, "load_sample_data"],
            stamps / "sample_data",
            lambda: database("*/migrations/*.py", "marketdata/**/*.py"),
        ),
        Step(
            "Creating a demo user",
            [*manage, "create_demo_user"],
            stamps / "demo_user",
            lambda: database("accounts/management/commands/create_demo_user.py"),
            show_output=True,
        ),
        Step(
            "Creating a demo bot on a synthetic market",
            [*manage, "create_demo_bot"],
            stamps / "demo_bot",
            lambda: database("bots/management/commands/create_demo_bot.py"),
        ),
    ]


def database(*patterns: str) -> str | None:
    """The content of these files and which database it is; None where a database cannot be recognised by its file.

    The inode belongs to it: a database that was restored or made anew is another one.
    """
    url = env.str("DATABASE_URL", default=f"sqlite:///{SQLITE_FILE}")
    if not url.startswith("sqlite:///") or not Path(url.removeprefix("sqlite:///")).is_file():
        return None
    file = Path(url.removeprefix("sqlite:///"))
    contents = [path.read_text("utf-8") for pattern in patterns for path in sorted(BASE_DIR.glob(pattern))]
    return _digest([str(file), str(file.stat().st_ino), *contents])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def run(step: Step, environment: Mapping[str, str], say: Callable[[str], None], log: Path) -> bool:
    """Run one step unless its stamp still fits; True if it ran. Raises StepFailed, with the last lines it said."""
    fingerprint = step.made_from()
    if fingerprint is not None and step.stamp.is_file() and step.stamp.read_text(encoding="ascii") == fingerprint:
        return False
    say(f"{step.says} …")
    process = spawn(step.argv, env=environment, cwd=BASE_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = process.communicate()[0].decode("utf-8", "replace")
    except BaseException:  # also Ctrl-C: the step must not go on alone
        stop([process], grace_s=2)
        raise
    with log.open("a", encoding="utf-8") as file:
        # What a step shows may hold a password, which belongs on the console once and into no file.
        file.write(f"{step.says}: exit {process.returncode}\n" + ("" if step.show_output else said))
    if process.returncode:
        last = "\n".join(said.rstrip().splitlines()[-15:])
        raise StepFailed(f"{step.says}: failed (exit {process.returncode}).\n\n{last}\n\nAll it said: {log}")
    if step.show_output:
        print(said.rstrip(), flush=True)
    step.stamp.parent.mkdir(parents=True, exist_ok=True)
    if (fingerprint := step.made_from()) is not None:
        step.stamp.write_text(fingerprint, encoding="ascii")
    return True
