"""Writes: the secrets of a bot. They go in and are used; nothing here gives them out again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.reporters import KINDS
from accounts.services import audit
from bots import selectors
from bots.models import BotSecrets
from engine.errors import Fault, InputError
from strategies import readers

SECRETS = ("api_key", "secret_key", "telegram_token")
FLAGS = ("testnet", "telegram_trades")
FIELDS = (*SECRETS, "telegram_chat_id", *FLAGS)
MAX_SECRET = 500
MAX_CHAT = 64


def put(user: User, bot_id: int, changes: Any) -> BotSecrets:
    """Set some of a bot's secrets; the row.

    changes: {api_key, secret_key, telegram_token, telegram_chat_id: text; testnet, telegram_trades: bool}. What is left
    out stays as it is, null or empty text forgets it. Raises NotFound, InputError, SecretsLocked.
    """
    bot = selectors.bot(user, bot_id)
    values = _clean(changes)
    if not values:
        return selectors.bot_secrets(user, bot_id)
    with transaction.atomic():
        row, _ = BotSecrets.objects.select_for_update().get_or_create(bot=bot)
        for name, value in values.items():
            setattr(row, name, value)
        _check_chat(row, values)
        row.save()
        _audit(user, bot.pk, values)
    return row


def forget(user: User, bot_id: int) -> None:
    """Forget all of a bot's secrets. Raises NotFound; without any, nothing happens."""
    bot = selectors.bot(user, bot_id)
    with transaction.atomic():
        if BotSecrets.objects.filter(bot=bot).delete()[0]:
            _audit(user, bot.pk, dict.fromkeys(SECRETS, ""))


def _clean(changes: Any) -> dict[str, Any]:
    reader = readers.Reader(readers.strict(readers.mapping, "", changes))
    reader.refuse_unknown(FIELDS)
    values: dict[str, Any] = {}
    for name in (*SECRETS, "telegram_chat_id"):
        if name in reader.raw:
            longest = MAX_CHAT if name == "telegram_chat_id" else MAX_SECRET
            values[name] = _text(reader, name, longest)
    for name in FLAGS:
        if reader.raw.get(name) is not None:
            values[name] = reader.read(name, False, readers.boolean)
    reader.finish()
    return values


def _text(reader: readers.Reader, name: str, longest: int) -> str:
    sent = reader.raw[name]
    if sent is None:
        return ""
    # The reader's own messages show what was sent; a secret must not come back in one.
    if not isinstance(sent, str):
        reader.fault(name, "wrong_type", "Must be text")
    elif len(sent) > longest:
        reader.fault(name, "too_long", f"At most {longest} characters")
    elif not all(char.isascii() and char.isprintable() and char != " " for char in sent.strip()):
        reader.fault(name, "bad_text", "Printable ASCII characters without spaces only")
    else:
        return sent.strip()
    return ""


def _check_chat(row: BotSecrets, values: Mapping[str, Any]) -> None:
    """Raises InputError for a token and a chat id that can never work, or for one without the other."""
    if not {"telegram_token", "telegram_chat_id"} & set(values):
        return
    if bool(row.telegram_token) != bool(row.telegram_chat_id):
        missing = "telegram_chat_id" if row.telegram_token else "telegram_token"
        raise InputError(Fault(missing, "required", "Token and chat id are needed together", "Set both, or neither"))
    if not row.telegram_token:
        return
    try:
        KINDS["telegram"].check(row.telegram_chat_id, values.get("telegram_token") or "")
    except InputError as error:
        names = {"address": "telegram_chat_id", "secret": "telegram_token"}
        raise InputError([Fault(names[f.path], f.code, f.message, f.hint) for f in error.faults]) from None


def _audit(user: User, bot_id: int, values: Mapping[str, Any]) -> None:
    """Which were set and which forgotten; of what they are, nothing."""
    detail = {
        "set": sorted(name for name in values if values[name]),
        "forgotten": sorted(name for name in values if values[name] == ""),
    }
    audit.record(user, "bot.secrets", target=f"bot {bot_id}", detail=detail)
