"""Names that are derived, never drawn: the same decision made again after a crash has the same ids."""

from __future__ import annotations

import re

from django.conf import settings

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LONGEST = 36  # what every venue takes, of [a-zA-Z0-9-_]
# Serial numbers of protective orders, which hosts place, count from here; the engine's own count from 0.
PROTECTIVE_FROM = 500_000_000_000


def client_order_id(session_id: int, seq: int) -> str:
    """`<environment><session>-<order>`: 8 base-36 digits of the session, 12 digits of the order's serial number.

    The environment's letters keep a test installation and a production one on one broker account apart.
    """
    return f"{settings.ORDER_ID_PREFIX}{_base36(session_id):0>8}-{seq:012d}"


def closing_order_id(discrepancy_id: int, attempt: int) -> str:
    """`<environment>x<difference>-<attempt>`: of an order that undoes a difference at the venue and is no session's."""
    return f"{settings.ORDER_ID_PREFIX}x{_base36(discrepancy_id):0>8}-{attempt}"


def session_of(client_id: str) -> int | None:
    """The session whose order has this id; None for an id that is none of this installation's."""
    found = re.fullmatch(rf"{settings.ORDER_ID_PREFIX}([0-9a-z]{{8,12}})-\d{{12}}(-[a-z])?", client_id)
    return int(found.group(1), 36) if found else None


def execution_id(client_id: str, number: int) -> str:
    """The simulated venue's id of an order's `number`-th fill, from 1."""
    return f"{client_id}-{number}"


def _base36(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text
