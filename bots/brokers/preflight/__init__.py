"""Whether a venue would take an order, told before it is sent, with the nearest value that it would take.

`check` finds every problem, in the order in which venues look; `fitted` brings an exit to what the venue takes, because
nothing may hold an exit back. What only the venue knows (a halt, an id used before, prices that have moved on) stays
its own to refuse.
"""

from __future__ import annotations

from bots.brokers.preflight.checks import check
from bots.brokers.preflight.fitting import fitted
from bots.brokers.preflight.shapes import Known, Problem

__all__ = ["Known", "Problem", "check", "fitted"]
