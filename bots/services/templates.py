"""Writes of bot templates: a bot is kept as one, shared, and made into bots again."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F

from accounts import quotas
from accounts.models import User
from bots import selectors
from bots.models import Bot, BotTemplate
from bots.selectors import templates as reads
from bots.services import bot_requests, bots
from bots.templates_of_bots import RISKS
from engine.errors import Fault, InputError
from strategies import catalogue, readers
from tradingsite.lib.errors import Conflict

MAX_TEMPLATES = 50
WORDS = {"for_whom": 200, "does": 500, "loses": 500}
FIELDS = ("name", *WORDS, "risk", "is_shared")


def use(user: User, key: str, payload: Any = None) -> Bot:
    """A bot of the user's own, made of a template; ``name`` and every other field of a bot may be sent over it.

    A taken name gets a number where none is sent. Raises NotFound, and as `bots.services.bots.create`: a template is
    data, and what it asks for is checked today and for this user.
    """
    template = reads.template(user, key)
    sent = dict(readers.strict(readers.mapping, "", {} if payload is None else payload))
    request = {**template.config, **{name: value for name, value in sent.items() if value is not None}}
    if {"strategy", "saved_strategy_id", "custom_strategy_id", "indicators"} & set(sent):
        # Another strategy takes none of the template's parameters, and is none of its conditions.
        request = {name: value for name, value in request.items() if name in sent or name not in _CHOSEN}
    bot = bots.create(user, request) if sent.get("name") else bots.create_free(user, request)
    if template.row is not None and template.row.owner_id != user.pk:
        BotTemplate.objects.filter(pk=template.row.pk).update(uses=F("uses") + 1)
    return bot


def save(user: User, bot_id: int, payload: Any) -> BotTemplate:
    """Keeps a bot's configuration as a template: ``name``, ``for_whom``, ``does``, ``loses``, ``risk``, ``is_shared``.

    Nothing of the bot's keys, accounts, secrets or sessions goes with it. Raises NotFound, InputError, Conflict.
    """
    bot = selectors.bot(user, bot_id)
    sent = dict(readers.strict(readers.mapping, "", payload))
    fields = _checked({"name": bot.name, "does": bot.description, "risk": "medium", "is_shared": False, **sent})
    config = bot_requests.config(bot)
    del config["name"]
    row = BotTemplate(owner=user, config=config, kind=catalogue.get(bot.strategy).kind, **fields)
    with transaction.atomic():
        quotas.lock(user)
        if BotTemplate.objects.filter(owner=user).count() >= MAX_TEMPLATES:
            raise Conflict(f"You have {MAX_TEMPLATES} templates. Delete one first.", code="too_many_templates")
        _refuse_taken(user, row)
        row.save()
    return row


def update(user: User, key: str, changes: Any) -> BotTemplate:
    """Changes the words of one of the user's own, and whether it is shared. Raises NotFound, InputError, Conflict."""
    sent = dict(readers.strict(readers.mapping, "", changes))
    with transaction.atomic():
        quotas.lock(user)
        row = reads.own_template(user, key)
        for name, value in _checked({**{name: getattr(row, name) for name in FIELDS}, **sent}).items():
            setattr(row, name, value)
        _refuse_taken(user, row)
        row.save()
    return row


def remove(user: User, key: str) -> None:
    """Deletes one of the user's own. Bots that were made of it stay. Raises NotFound."""
    reads.own_template(user, key).delete()


_CHOSEN = ("strategy", "strategy_parameters", "indicators")


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    reader = readers.Reader(fields)
    reader.refuse_unknown(FIELDS)
    values: dict[str, Any] = {
        "name": reader.read("name", "", readers.text, max_length=bot_requests.MAX_NAME, required=True),
        **{name: reader.read(name, "", readers.text, max_length=length) for name, length in WORDS.items()},
        "risk": reader.read("risk", "medium", readers.choice, choices=tuple(RISKS)),
        "is_shared": reader.read("is_shared", False, readers.boolean),
    }
    if fields.get("name") is None:
        reader.fault("name", "required", "A template needs a name")
    reader.finish()
    if values["is_shared"]:
        unsaid = [name for name in ("does", "loses") if not values[name]]
        hint = "Others need to know how it trades, and when it loses."
        if unsaid:
            raise InputError(Fault(name, "required", "A shared template needs this.", hint) for name in unsaid)
    return values


def _refuse_taken(user: User, row: BotTemplate) -> None:
    if BotTemplate.objects.filter(owner=user, name=row.name).exclude(pk=row.pk).exists():
        text = "You have a template of that name already."
        raise Conflict(text, faults=[Fault("name", "already_taken", text, "Choose another name.")])
