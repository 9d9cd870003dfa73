"""A signed HTTP POST to an address of the user's.

Body: the note as JSON. Headers: ``X-Tradewright-Event``, ``X-Tradewright-Signature: t=<unix seconds>,v1=<hex>``, where
v1 is the HMAC-SHA256 of ``<t>.<body>`` under the user's secret. A receiver compares it and refuses an old t.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field

from accounts.reporters import outbound
from accounts.reporters.base import Kind, NotDelivered, Note
from engine.errors import Fault, InputError

MIN_SECRET, MAX_SECRET = 16, 200


@dataclass(frozen=True, slots=True, repr=False)
class WebhookReporter:
    """Posts to one address. resolve: where its host is (see `outbound.resolve`)."""

    url: str
    secret: str
    resolve: outbound.Resolve = field(default=outbound.resolve)

    def send(self, note: Note) -> None:
        body = json.dumps(note.as_json(), separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Tradewright",
            "X-Tradewright-Event": note.event,
            "X-Tradewright-Signature": signature(self.secret, body, int(time.time())),
        }
        try:
            status = outbound.post(self.url, body, headers, self.resolve)
        except outbound.TargetNotAllowed as exc:
            raise NotDelivered(exc.message, retry=False) from None
        except outbound.NoAnswer as exc:
            raise NotDelivered(str(exc), retry=True) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"The address answered {status}.", retry=status >= 500 or status in (408, 425, 429))


def signature(secret: str, body: bytes, at: int) -> str:
    """The value of X-Tradewright-Signature for a body sent at a time (unix seconds)."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def check(address: str, secret: str) -> None:
    """Raises TargetNotAllowed for an address we never call, InputError for a weak secret."""
    if secret and not MIN_SECRET <= len(secret) <= MAX_SECRET:
        text = f"A signing secret has {MIN_SECRET} to {MAX_SECRET} characters."
        raise InputError(Fault("secret", "out_of_range", text))
    outbound.check(address)


WEBHOOK = Kind(
    name="webhook",
    label="Webhook",
    help="A signed HTTP POST to a program of yours, for notifications and for the creation of trading sessions.",
    address_label="Address",
    address_help="https://… on port 443, or http://… on port 80; it must be reachable from the internet",
    secret_label="Signing secret",  # noqa: S106
    secret_help="16 characters or more; signs each message (HMAC-SHA256). Kept encrypted, never shown again",  # noqa: S106
    check=check,
    build=WebhookReporter,
)
