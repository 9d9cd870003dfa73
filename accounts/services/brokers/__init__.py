"""Writes to accounts at brokers. Keys go in, are tried, are used; nothing here gives them out but `keys_for`.

What tries keys and what counts sessions lies above this app and is registered by it (`register_checker`,
`register_sessions`).
"""

from accounts.services.brokers.checking import (
    Checked,
    KeysRefused,
    NotOffered,
    VenueSilent,
    VenueTooBusy,
    register_checker,
)
from accounts.services.brokers.managing import (
    MAX_ACCOUNTS,
    add,
    check,
    close,
    register_sessions,
    rename,
    replace_keys,
    sessions_of,
    set_opposite_orders,
)
from accounts.services.brokers.practice import add_practice
from accounts.services.brokers.using import keys_for, mark_ok, mark_refused, saw

__all__ = [
    "MAX_ACCOUNTS",
    "Checked",
    "KeysRefused",
    "NotOffered",
    "VenueSilent",
    "VenueTooBusy",
    "add",
    "add_practice",
    "check",
    "close",
    "keys_for",
    "mark_ok",
    "mark_refused",
    "register_checker",
    "register_sessions",
    "rename",
    "replace_keys",
    "saw",
    "sessions_of",
    "set_opposite_orders",
]
