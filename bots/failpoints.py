"""Named places at which a test may kill this process, to show that nothing is lost there.

`FAILPOINTS="after_intent=3"` ends the process, as kill -9 would, the third time it comes by. Only with TEST_RIG=true.
"""

from __future__ import annotations

import os
from collections import Counter

from django.conf import settings

NAMES = (
    "after_intent", "after_send", "after_ack", "after_fill_recv",
    "before_cancel", "after_cancel", "before_replace", "after_replace",
)  # fmt: skip
_passed: Counter[str] = Counter()


def pass_by(name: str) -> None:
    """End the process here and now, if the test rig asked for that."""
    if not settings.FAILPOINTS:
        return
    _passed[name] += 1
    if settings.FAILPOINTS.get(name) == _passed[name]:
        os._exit(137)
