"""Telegram, through the HTTP API of a bot that the user made with @BotFather."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings

from accounts.reporters.base import Kind, NotDelivered, Note
from engine.errors import Fault, InputError

TIMEOUT_S = 10.0
MAX_TEXT = 4_000  # Telegram takes 4,096 characters
_TOKEN = re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{20,100}")
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z0-9_]{4,40}")
_SIGNS = {"warning": "⚠️ ", "error": "❗ ", "critical": "🚨 "}


@dataclass(frozen=True, slots=True, repr=False)
class TelegramReporter:
    """Sends to one chat as one bot. The token stands in the address of the call, so no address is ever logged."""

    chat_id: str
    token: str

    def send(self, note: Note) -> None:
        import httpx  # only where a worker asks for it: it costs a web process 40 ms and 10 MB

        lines = [f"{_SIGNS.get(note.level, '')}{note.title}", note.text]
        body = {
            "chat_id": self.chat_id,
            "text": "\n".join(filter(None, lines))[:MAX_TEXT],
            "link_preview_options": {"is_disabled": True},
        }
        try:
            answer = httpx.post(
                f"{settings.TELEGRAM_BASE_URL}/bot{self.token}/sendMessage", json=body, timeout=TIMEOUT_S
            )
        except httpx.HTTPError as exc:
            raise NotDelivered(f"Telegram does not answer ({type(exc).__name__}).", retry=True) from None
        if answer.is_success:
            return
        if answer.status_code in (401, 404):
            raise NotDelivered("Telegram does not know this bot token.", retry=False)
        if answer.status_code in (400, 403):
            raise NotDelivered("The bot may not write to this chat: start a chat with it first.", retry=False)
        raise NotDelivered(f"Telegram answered {answer.status_code}.", retry=True)


def check(address: str, secret: str) -> None:
    """Raises InputError for what no chat id or bot token looks like."""
    faults = []
    if not _CHAT.fullmatch(address):
        hint = "It is a number like 123456789 or -100123456789, or the @name of a channel."
        faults.append(Fault("address", "bad_text", "This is no chat id.", hint))
    if secret and not _TOKEN.fullmatch(secret):
        hint = "@BotFather gives it out; it looks like 123456789:AAF…"
        faults.append(Fault("secret", "bad_text", "This is no bot token.", hint))
    if faults:
        raise InputError(faults)


TELEGRAM = Kind(
    name="telegram",
    label="Telegram",
    help="A bot of yours writes to you. Make one with @BotFather, then send it any message.",
    address_label="Chat id",
    address_help="Where it writes to; @userinfobot tells you yours",
    secret_label="Bot token",  # noqa: S106
    secret_help="Kept encrypted, never shown again",  # noqa: S106
    check=check,
    build=TelegramReporter,
)
