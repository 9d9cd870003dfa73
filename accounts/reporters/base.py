"""What a reporter is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to tell one user. `data`: JSON-ready facts for programs; people are told title and text."""

    owner_id: int
    event: str
    level: str
    title: str
    text: str
    link: str
    session_id: str
    dedup: str
    created_at: datetime
    data: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, without the owner; `from_json` reads it again."""
        told = asdict(self)
        del told["owner_id"], told["dedup"]
        return {**told, "created_at": self.created_at.isoformat()}

    @classmethod
    def from_json(cls, told: dict[str, Any], owner_id: int) -> Note:
        """The note that was written by `as_json`."""
        return cls(**{**told, "created_at": datetime.fromisoformat(told["created_at"])}, owner_id=owner_id, dedup="")


class NotDelivered(Exception):
    """A channel did not take a note. The text is shown to the user, so it holds no secret. retry: may it work later?"""

    def __init__(self, reason: str, *, retry: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry


class Reporter(Protocol):
    """One way of telling somebody something."""

    def send(self, note: Note) -> None:
        """Tell it. Raises NotDelivered."""


@dataclass(frozen=True, slots=True)
class Composite:
    """Tells each of its reporters; what goes wrong with one is logged and keeps no other from telling."""

    reporters: Iterable[Reporter]

    def send(self, note: Note) -> None:
        for reporter in self.reporters:
            try:
                reporter.send(note)
            except Exception:  # news never stops what it is news of
                log.exception("%s was not told by %s", note.event, type(reporter).__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A way that users can set up: its words on the settings page, and how to make its reporter.

    check(address, secret) raises InputError or another refusal for what can never work; secret is empty where the one
    that is stored stays. build(address, secret) makes the reporter.
    """

    name: str
    label: str
    help: str
    address_label: str
    address_help: str
    secret_label: str
    secret_help: str
    check: Callable[[str, str], None]
    build: Callable[[str, str], Reporter]
