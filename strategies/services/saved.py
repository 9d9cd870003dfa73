"""Writes of saved strategies: checked against the declarations, within the tier's limit, one name once per owner."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts import quotas
from accounts.models import User
from engine.errors import Fault, InputError
from strategies import catalogue, selectors, session_settings
from strategies.base import Strategy
from strategies.gallery import publishing
from strategies.models import UserStrategy
from tradingsite.lib.errors import Conflict
from tradingsite.lib.text import bad_character

NAME_LENGTH, DESCRIPTION_LENGTH = 120, 2_000
CHANGEABLE = ("name", "description", "strategy", "parameters", "settings", "is_public")


def create(
    user: User,
    *,
    name: str,
    strategy: str,
    parameters: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    description: str = "",
    is_public: bool = False,
    source_backtest: uuid.UUID | None = None,
) -> UserStrategy:
    """Saves a catalogue entry with parameters under a name.

    Raises InputError (names, parameters, settings), Conflict (the owner has that name already), QuotaExceeded.
    """
    sent = {"name": name, "description": description, "strategy": strategy, "is_public": is_public}
    row = UserStrategy(
        owner=user,
        source_backtest=source_backtest,
        **_checked({**sent, "parameters": parameters or {}, "settings": settings or {}}),
    )
    return _add(user, row)


def update(user: User, strategy_id: int, changes: Mapping[str, Any]) -> UserStrategy:
    """Changes the named fields of one of the user's own. Another catalogue entry needs its own parameters with it.

    Raises NotFound, InputError, Conflict.
    """
    unknown = [Fault(field, "unknown_field", "There is no such field.") for field in changes if field not in CHANGEABLE]
    if unknown:
        raise InputError(unknown)
    with transaction.atomic():
        quotas.lock(user)
        row = selectors.get(user, strategy_id)
        now = {field: getattr(row, field) for field in CHANGEABLE}
        if changes.get("strategy", row.strategy) != row.strategy:
            now["parameters"] = {}
        for field, value in _checked({**now, **changes}).items():
            setattr(row, field, value)
        _refuse_taken(user, row)
        row.save()
        publishing.follow(row)
    return row


def remove(user: User, strategy_id: int) -> None:
    """Deletes one of the user's own. Copies that others made stay theirs. Raises NotFound."""
    selectors.get(user, strategy_id).delete()


def copy(user: User, strategy_id: int, name: str | None = None) -> UserStrategy:
    """A private copy of an own or public strategy, under `name` or the next free name like the original's.

    Raises NotFound, InputError, Conflict, QuotaExceeded.
    """
    original = selectors.readable(user, strategy_id)
    fields = {field: getattr(original, field) for field in CHANGEABLE}
    fields |= {"is_public": False, "name": _free_name(user, original.name) if name is None else name}
    row = UserStrategy(owner=user, copied_from=original, **_checked(fields))
    return _add(user, row)


def _add(user: User, row: UserStrategy) -> UserStrategy:
    with transaction.atomic():
        locked = quotas.lock(user)
        quotas.check_saved_strategies(locked, saved=selectors.count(user))
        _refuse_taken(user, row)
        row.save()
        publishing.follow(row)
        if row.copied_from is not None:
            publishing.count_copy(user, row.copied_from)
    return row


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Column values for what was sent. Raises InputError with every fault; its paths are the field's names."""
    faults: list[Fault] = []
    values: dict[str, Any] = {
        "name": _text(fields["name"], "name", NAME_LENGTH, faults).strip(),
        "description": _text(fields["description"], "description", DESCRIPTION_LENGTH, faults),
        "is_public": fields["is_public"],
    }
    if not values["name"]:
        faults.append(Fault("name", "required", "A saved strategy needs a name."))
    if not isinstance(fields["is_public"], bool):
        faults.append(Fault("is_public", "wrong_type", "Must be true or false."))
    if fields["is_public"] is True and not values["description"].strip():
        faults.append(publishing.NEEDS_DESCRIPTION)
    try:
        declared = catalogue.get(fields["strategy"])
        values |= {"strategy": declared.slug, "strategy_type": declared.kind}
        values["parameters"] = _parameters(declared, fields["parameters"])
    except InputError as error:
        faults += error.faults
    try:
        cleaned = session_settings.as_json(session_settings.clean(fields["settings"]))
        values["settings"] = {key: cleaned[key] for key in fields["settings"]}
    except InputError as error:
        faults += error.under("settings").faults
    if faults:
        raise InputError(faults)
    return values


def _parameters(declared: type[Strategy], raw: Any) -> dict[str, Any]:
    try:
        # Defaults are written out, so that a later release with other defaults changes no saved strategy.
        return declared(**declared.clean(raw)).parameters
    except InputError as error:
        raise error.under("parameters") from error


def _text(value: object, path: str, limit: int, faults: list[Fault]) -> str:
    if not isinstance(value, str):
        faults.append(Fault(path, "wrong_type", "Must be text."))
        return "?"
    if found := bad_character(value):
        faults.append(Fault(path, "bad_text", f"It holds the character {found}, which is not allowed."))
    elif len(value) > limit:
        faults.append(Fault(path, "out_of_range", f"It has {len(value)} characters.", f"At most {limit}."))
    return value


def _refuse_taken(user: User, row: UserStrategy) -> None:
    """Inside the transaction that holds the owner's lock, so that two requests cannot both find the name free."""
    if selectors.for_user(user).filter(name=row.name).exclude(pk=row.pk).exists():
        raise Conflict(
            "You have a strategy of that name already.",
            faults=[
                Fault("name", "already_taken", "You have a strategy of that name already.", "Choose another name.")
            ],
        )


def _free_name(user: User, name: str) -> str:
    taken = set(selectors.for_user(user).values_list("name", flat=True))
    base = name[: NAME_LENGTH - 20]
    candidates = (f"{base} (copy {n})" if n else f"{base} (copy)" for n in (0, *range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)
