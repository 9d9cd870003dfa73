"""The life of a trading session, as a table: which state may follow which, and what each means to others.

    DRAFT → SCHEDULED → CLAIMED → RECONCILING → WARMING → RUNNING ⇄ DEGRADED ⇄ PAUSED → STOPPING → STOPPED
    any → HALTED (needs a person), any → FAILED (cannot run as it is), a lost lease → ORPHANED → CLAIMED by another

RUNNING is entered from WARMING and DEGRADED only, each time after the ledger agreed with the venue. HALTED never leaves
by itself: its owner stops it.
"""

from __future__ import annotations

from django.db import models


class IllegalMove(Exception):
    """A change of state that the table does not know: a fault of ours, never a user's."""

    def __init__(self, kind: str, before: str, after: str) -> None:
        super().__init__(f"{kind}: {before} cannot become {after}")
        self.before, self.after = before, after


class SessionState(models.TextChoices):
    DRAFT = "DRAFT", "Draft"
    SCHEDULED = "SCHEDULED", "Scheduled"
    CLAIMED = "CLAIMED", "Claimed by a host"
    RECONCILING = "RECONCILING", "Comparing with the venue"
    WARMING = "WARMING", "Loading history"
    RUNNING = "RUNNING", "Running"
    DEGRADED = "DEGRADED", "Running, no entries"
    PAUSED = "PAUSED", "Paused"
    STOPPING = "STOPPING", "Stopping"
    STOPPED = "STOPPED", "Stopped"
    HALTED = "HALTED", "Halted, needs a person"
    FAILED = "FAILED", "Failed"
    ORPHANED = "ORPHANED", "Host lost"

    def word(self, stop_reason: str = "") -> str:
        """The simple word for clients that want one. stop_reason: `TradingSession.stop_reason`."""
        if self is SessionState.STOPPED:
            return "COMPLETED" if stop_reason in ("scheduled_end", "feed_ended", "window_end") else "STOPPED"
        if self in (SessionState.HALTED, SessionState.FAILED):
            return "ERROR"
        return "PAUSED" if self is SessionState.PAUSED else "ACTIVE"


_S = SessionState
_HOSTED = (_S.CLAIMED, _S.RECONCILING, _S.WARMING, _S.RUNNING, _S.DEGRADED, _S.PAUSED, _S.STOPPING)

# Counted against the tier: everything that a host runs or would run.
ACTIVE = (_S.SCHEDULED, *_HOSTED, _S.ORPHANED)
# A host may take these: what waits, and what lost its host.
CLAIMABLE = ACTIVE
OVER = (_S.STOPPED, _S.FAILED)
# No host takes these, or will.
UNRUN = (*OVER, _S.HALTED)

MOVES: dict[SessionState, frozenset[SessionState]] = {
    state: frozenset(after)
    for state, after in {
        _S.DRAFT: (_S.SCHEDULED, _S.STOPPED, _S.FAILED),
        _S.SCHEDULED: (_S.CLAIMED, _S.STOPPED, _S.FAILED, _S.HALTED),
        _S.CLAIMED: (_S.RECONCILING, _S.STOPPING, _S.ORPHANED, _S.HALTED, _S.FAILED),
        _S.RECONCILING: (_S.WARMING, _S.STOPPING, _S.ORPHANED, _S.HALTED, _S.FAILED),
        _S.WARMING: (_S.RUNNING, _S.DEGRADED, _S.PAUSED, _S.STOPPING, _S.ORPHANED, _S.HALTED, _S.FAILED),
        _S.RUNNING: (_S.DEGRADED, _S.PAUSED, _S.STOPPING, _S.ORPHANED, _S.HALTED, _S.FAILED),
        _S.DEGRADED: (_S.RUNNING, _S.PAUSED, _S.STOPPING, _S.ORPHANED, _S.HALTED, _S.FAILED),
        _S.PAUSED: (_S.DEGRADED, _S.STOPPING, _S.ORPHANED, _S.HALTED, _S.FAILED),
        _S.STOPPING: (_S.STOPPED, _S.ORPHANED, _S.HALTED, _S.FAILED),
        _S.ORPHANED: (_S.CLAIMED, _S.STOPPED, _S.HALTED, _S.FAILED),
        _S.HALTED: (_S.STOPPED,),
        _S.STOPPED: (),
        _S.FAILED: (),
    }.items()
}


def check_move(before: str, after: str) -> None:
    """Raises IllegalMove unless a session may go from `before` to `after`."""
    if SessionState(after) not in MOVES[SessionState(before)]:
        raise IllegalMove("session", before, after)
