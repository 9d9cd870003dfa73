"""What a test found, and what several of them say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

PASS, DOUBT, FAIL, NOT_APPLICABLE = "pass", "doubt", "fail", "not_applicable"
VERDICTS: Final = (PASS, DOUBT, FAIL, NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of a passport.

    figure: what was measured, in `unit` ("ratio", "pct", "probability", "p_value", "sharpe"); None: nothing could be.
    limits: what passes and what fails, in words. meaning: one sentence for the owner. chart: what a page draws, by its
    `kind`; {}: nothing. details: further figures by name, JSON-ready.
    """

    name: str
    label: str
    verdict: str
    figure: float | None
    unit: str
    limits: str
    meaning: str
    chart: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def graded(value: float, *, passes: float, fails: float) -> str:
    """The verdict of a figure: from `passes` on it passes, beyond `fails` it fails, between them is doubt.

    passes > fails: more is better; passes < fails: less is better. A value exactly on a limit has the better verdict.
    """
    if passes < fails:
        value, passes, fails = -value, -passes, -fails
    return PASS if value >= passes else DOUBT if value >= fails else FAIL


def overall(findings: Iterable[Finding]) -> str:
    """FAIL where one test failed, else DOUBT where one is in doubt or none applied, else PASS."""
    seen = {finding.verdict for finding in findings} - {NOT_APPLICABLE}
    return FAIL if FAIL in seen else DOUBT if DOUBT in seen or not seen else PASS
