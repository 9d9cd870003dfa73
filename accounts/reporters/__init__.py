"""How users are told things: one reporter for each way, and the list of those that users can set up.

Another way (Discord, e-mail) is one module with a `Reporter` and one line in `KINDS`; settings page, log of deliveries
and retries come with it.
"""

from __future__ import annotations

from accounts.reporters.base import Composite, Kind, NotDelivered, Note, Reporter
from accounts.reporters.telegram import TELEGRAM
from accounts.reporters.webhook import WEBHOOK

KINDS: dict[str, Kind] = {kind.name: kind for kind in (TELEGRAM, WEBHOOK)}

__all__ = ["KINDS", "Composite", "Kind", "NotDelivered", "Note", "Reporter"]
