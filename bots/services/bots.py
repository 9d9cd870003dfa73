"""Writes: bots, their configuration, and the sessions that are started from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts import quotas
from accounts.models import User
from bots import selectors
from bots.models import Bot, TradingSession
from bots.services import bot_requests, sessions, settings
from engine.errors import Fault
from strategies import readers
from tradingsite.lib.errors import Conflict

FORMAT = "tradewright.bot/1"
MAX_BOTS = 200


def create(user: User, payload: Any) -> Bot:
    """A new bot (`bots.services.bot_requests`).

    Raises InputError, NotFound, NotAllowed, Unprocessable, Conflict (name taken).
    """
    return _add(user, bot_requests.clean(user, payload))


def create_free(user: User, payload: Any) -> Bot:
    """As `create`, under the next free name like the one that is sent."""
    columns = bot_requests.clean(user, payload)
    if Bot.objects.filter(owner=user, name=columns["name"]).exists():
        columns["name"] = _free_name(user, columns["name"])
    return _add(user, columns)


def replace(user: User, bot_id: int, payload: Any) -> Bot:
    """The whole configuration anew: what is left out gets its default. A session that runs keeps what it copied."""
    selectors.bot(user, bot_id)
    return _save(user, bot_id, bot_requests.clean(user, payload))


def update(user: User, bot_id: int, changes: Any, *, apply: bool = False) -> Bot:
    """Some fields anew; settings and parameters name by name.

    apply: the changed settings become a new version of the settings of the bot's active session, too, which its new
    entries follow. Raises as `create`, NotFound.
    """
    bot = selectors.bot(user, bot_id)
    changes = readers.strict(readers.mapping, "", changes)
    with transaction.atomic():
        columns = bot_requests.clean(user, bot_requests.merged(bot, changes))
        if not bot_requests.changed_choices(changes):
            columns["custom_strategy"] = bot.custom_strategy  # its trees are kept, and so is where they came from
        bot = _save(user, bot_id, columns)
        running = selectors.active_of_bot(bot) if apply else None
        if running is not None:
            settings.change(user, running.pk, bot.settings, confirmed=True, preset="standard")
    return bot


def remove(user: User, bot_id: int) -> None:
    """Delete a bot; its sessions stay. Raises NotFound, Conflict while one of them is active."""
    with transaction.atomic():
        quotas.lock(user)
        bot = selectors.bot(user, bot_id)
        if selectors.active_of_bot(bot) is not None:
            raise Conflict("A session of this bot is active. Stop it first.", code="bot_active")
        bot.delete()


def clone(user: User, bot_id: int, name: str | None = None) -> Bot:
    """A copy under `name`, or under the next free name like the original's. Raises NotFound, InputError, Conflict."""
    bot = selectors.bot(user, bot_id)
    chosen = _free_name(user, bot.name) if name is None else name
    columns = bot_requests.clean(user, {**bot_requests.config(bot), **bot_requests.place(bot), "name": chosen})
    return _add(user, {**columns, "saved_strategy": bot.saved_strategy, "custom_strategy": bot.custom_strategy})


def start(user: User, bot_id: int, payload: Any = None, idempotency_key: str | None = None) -> Any:
    """A session of the bot, with everything copied; (the session, whether it is new). The active one, if there is one.

    payload: fields of a start request that go over the bot's. Raises as `sessions.start`.
    """
    selectors.bot(user, bot_id)
    sent = {} if payload is None else dict(readers.strict(readers.mapping, "", payload))
    return sessions.start(user, {**sent, "bot_id": bot_id}, idempotency_key)


def stop(user: User, bot_id: int, policy: str | None = None) -> TradingSession:
    """Stop its session, by default with the bot's own policy; the last one as it is where none is active.

    Raises NotFound, Conflict for a bot that was never started.
    """
    bot = selectors.bot(user, bot_id)
    session = _current(bot)
    return sessions.stop(user, session.pk, bot.stop_policy if policy is None else policy)


def pause(user: User, bot_id: int) -> TradingSession:
    """Pause its session. Raises NotFound, Conflict."""
    return sessions.pause(user, _current(selectors.bot(user, bot_id)).pk)


def resume(user: User, bot_id: int) -> TradingSession:
    """Resume its session. Raises NotFound, Conflict."""
    return sessions.resume(user, _current(selectors.bot(user, bot_id)).pk)


def export_config(user: User, bot_id: int) -> dict[str, Any]:
    """The bot as a document that can be given to somebody else: no id, no owner, no secret."""
    return {"format": FORMAT, "bot": bot_requests.config(selectors.bot(user, bot_id))}


def import_config(user: User, document: Any) -> Bot:
    """A new bot from an exported document; a taken name gets a number. Raises as `create`."""
    document = readers.strict(readers.mapping, "", document)
    reader = readers.Reader(document)
    reader.refuse_unknown(("format", "bot"))
    if document.get("format") != FORMAT:
        reader.fault("format", "unknown_choice", "This is no exported bot", f'It says "format": "{FORMAT}"')
    inner = reader.read("bot", None, readers.mapping)
    if inner is None and document.get("bot") is None:
        reader.fault("bot", "required", "The document holds no bot")
    reader.finish()
    return create_free(user, inner)


def _add(user: User, columns: Mapping[str, Any]) -> Bot:
    with transaction.atomic():
        quotas.lock(user)
        if Bot.objects.filter(owner=user).count() >= MAX_BOTS:
            raise Conflict(f"You have {MAX_BOTS} bots. Delete one that you no longer need.", code="too_many_bots")
        _refuse_taken(user, str(columns["name"]), None)
        return Bot.objects.create(owner=user, **columns)


def _save(user: User, bot_id: int, columns: Mapping[str, Any]) -> Bot:
    with transaction.atomic():
        quotas.lock(user)
        bot = selectors.bot(user, bot_id)
        _refuse_taken(user, str(columns["name"]), bot.pk)
        for name, value in columns.items():
            setattr(bot, name, value)
        bot.save()
    return bot


def _refuse_taken(user: User, name: str, but: int | None) -> None:
    if Bot.objects.filter(owner=user, name=name).exclude(pk=but).exists():
        text = "You have a bot of that name already."
        raise Conflict(text, faults=[Fault("name", "already_taken", text, "Choose another name.")])


def _free_name(user: User, name: str) -> str:
    taken = set(Bot.objects.filter(owner=user).values_list("name", flat=True))
    base = name[: bot_requests.MAX_NAME - 12].rstrip()
    candidates = (f"{base} (copy {n})" if n else f"{base} (copy)" for n in (0, *range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _current(bot: Bot) -> TradingSession:
    """The active session, else the last one. Raises Conflict for a bot that was never started."""
    session = selectors.active_of_bot(bot) or bot.sessions.order_by("-created_at", "-pk").first()
    if session is None:
        raise Conflict("This bot was never started.", code="never_started")
    return session
