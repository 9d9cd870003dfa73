"""Everything a machine can find in the code without running it. `make lint` calls it; all checks run, then it fails.

python .ci/lint.py
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ["accounts", "backtests", "bots", "engine", "marketdata", "strategies", "tradingsite", ".ci"]
BIN = Path(sys.executable).parent


def checks(scratch: str) -> list[tuple[str, list[str], dict[str, str]]]:
    """(name, command, extra environment) of each check. Nothing of the developer's own settings is read."""
    manage = [sys.executable, "manage.py"]
    blank = {"ENV_FILE": os.devnull, "VAR_DIR": scratch, "SECRET_KEY": secrets.token_urlsafe(50)}
    production = blank | {
        "ALLOWED_HOSTS": "tradewright.example",
        "DATABASE_URL": "postgres://tradewright:secret@db/tradewright",
        "REDIS_URL": "redis://redis:6379/0",
        "BEHIND_PROXY": "true",
        "STATIC_FROM_SOURCE": "false",
    }
    return [
        ("style (ruff)", [f"{BIN}/ruff", "check", "."], {}),
        ("format (ruff)", [f"{BIN}/ruff", "format", "--check", "."], {}),
        ("types (mypy, strict on the engine)", [f"{BIN}/mypy"], {}),
        ("import contracts (import-linter)", [f"{BIN}/lint-imports", "--no-cache"], {}),
        ("migrations match the models", [*manage, "makemigrations", "--check", "--dry-run"], blank),
        ("deployment (check --deploy)", [*manage, "check", "--deploy", "--fail-level", "WARNING"], production),
        ("security (bandit)", [f"{BIN}/bandit", "-q", "-ll", "-r", *CODE], {}),
        ("no secret and no machine's address in the tree", [sys.executable, ".ci/secret_scan.py"], {}),
    ]


def main() -> int:
    failed = []
    with tempfile.TemporaryDirectory(prefix="tw-lint-") as scratch:
        for name, argv, extra in checks(scratch):
            done = subprocess.run(
                argv, cwd=ROOT, env=os.environ | extra, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            print(f"{'ok    ' if done.returncode == 0 else 'FAILED'}  {name}", flush=True)
            if done.returncode:
                failed.append(name)
                print(done.stdout.decode("utf-8", "replace"), flush=True)
    print(f"\n{len(failed)} of the checks failed: {', '.join(failed)}" if failed else "\nAll checks passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
