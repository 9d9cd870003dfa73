"""Looks through every file git knows for things that must never be committed: keys, tokens, package indexes.

    python .ci/secret_scan.py

A line that must hold such a text on purpose (a test of the masking, a sample) says `not-a-secret` in a comment.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = "not-a-secret"
LARGEST_BYTES = 2_000_000

PATTERNS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "AWS key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})"),
    "Alpaca key": re.compile(r"\b(PK|AK|CK)[A-Z0-9]{18}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "Telegram token": re.compile(r"\b\d{8,10}:AA[\w-]{33}\b"),
    "JSON web token": re.compile(r"\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}"),
    "password in a URL": re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@{}$<>\"']+:(?!secret@|password@)[^\s@/{}$<>\"']{6,}@"),
}
ASSIGNMENT = re.compile(r"(?i)(secret|token|passw(or)?d|api_?key)\w*[\"']?\s*[:=]\s*[\"']([^\"'\s]{20,})[\"']")
# Lock files pin hashes; where packages come from is the business of the machine that installs them.
INDEX_IN_LOCK = re.compile(r"https?://|--(extra-)?index-url|\"resolved\"")
LOCK_FILES = {"requirements.lock", "requirements-dev.lock", "uv.lock", "node.lock", "package-lock.json", ".npmrc"}


def entropy_bits(text: str) -> float:
    """Shannon entropy of a text's characters, bits per character: random strings have 4 and more, words under 3.5."""
    counts = [text.count(character) for character in set(text)]
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def faults(name: str, text: str) -> list[str]:
    """`file:line what` for each suspicious line of one file."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if ALLOWED in line:
            continue
        kinds = [kind for kind, pattern in PATTERNS.items() if pattern.search(line)]
        assigned = ASSIGNMENT.search(line)
        if assigned and entropy_bits(assigned[3]) > 4.0:
            kinds.append("random-looking value of a secret")
        if Path(name).name in LOCK_FILES and INDEX_IN_LOCK.search(line):
            kinds.append("address of a package registry")
        found += [f"{name}:{number} {kind}" for kind in kinds]
    return found


def main() -> int:
    # A CI checkout often belongs to another user than the one who runs there.
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    found = []
    for name in filter(None, names.split("\0")):
        path = ROOT / name
        if path.is_file() and path.stat().st_size <= LARGEST_BYTES:
            found += faults(name, path.read_bytes().decode("utf-8", "replace"))
    print("\n".join(found) or "No secrets found.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
