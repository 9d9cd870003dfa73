"""How a session ends: in good order, or halted with a reason that a person can act on."""

from __future__ import annotations

from django.db.models.functions import Now

from bots.host import ledger
from bots.host.lease import LostLease
from bots.host.runner import Runner
from bots.states import SessionState


def stopped(runner: Runner) -> None:
    """STOPPING → STOPPED: nothing of ours works at the venue any more, but for what protects positions that are kept.

    Raises LostLease.
    """
    reason = _WORDS.get(runner.stop_reason, runner.stop_reason)
    if staying := len(runner.account.orders):
        reason += f"; {staying} protective orders stay at the venue with the positions that are kept"
    runner.move(
        SessionState.STOPPED,
        reason,
        ended_at=Now(),
        final_cash=runner.account.book.cash,
        lease_expires_at=None,
        host="",
    )


def ended_badly(runner: Runner, state: SessionState, reason: str) -> None:
    """To HALTED or FAILED, and out of the host's hands. Raises LostLease."""
    values = {"lease_expires_at": None, "host": ""}
    if state is SessionState.FAILED:
        values["ended_at"] = Now()
    if not ledger.move(runner.lease, runner.state, state, reason, **values):
        raise LostLease(f"session {runner.session.pk}")
    runner.state = state


_WORDS = {
    "user": "stopped by its owner",
    "scheduled_end": "its scheduled end came",
    "window_end": "its trading window ended",
    "feed_ended": "there are no more prices to replay",
    "kill_switch": "the kill switch was thrown",
    "operator": "stopped by an operator",
}
