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
from strategies.services import gate, naming

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

    Raises InputError (names, parameters, settings), Conflict (the owner has that name already), QuotaExceeded,
    NotAllowed for conditions on a tier without them.
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

    Raises NotFound, InputError, Conflict, NotAllowed.
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
        gate.check_tier(user, row.strategy, row.parameters)
        naming.refuse_taken(selectors.for_user(user).filter(name=row.name).exclude(pk=row.pk))
        row.save()
        publishing.follow(row)
    return row


def remove(user: User, strategy_id: int) -> None:
    """Deletes one of the user's own. Copies that others made stay theirs. Raises NotFound."""
    selectors.get(user, strategy_id).delete()


def copy(user: User, strategy_id: int, name: str | None = None) -> UserStrategy:
    """A private copy of an own or public strategy, under `name` or the next free name like the original's.

    Raises NotFound, InputError, Conflict, QuotaExceeded, NotAllowed.
    """
    original = selectors.readable(user, strategy_id)
    fields = {field: getattr(original, field) for field in CHANGEABLE}
    if name is None:
        name = naming.free_name(original.name, selectors.for_user(user).values_list("name", flat=True))
    fields |= {"is_public": False, "name": name}
    row = UserStrategy(owner=user, copied_from=original, **_checked(fields))
    return _add(user, row)


def _add(user: User, row: UserStrategy) -> UserStrategy:
    gate.check_tier(user, row.strategy, row.parameters)
    with transaction.atomic():
        locked = quotas.lock(user)
        quotas.check_saved_strategies(locked, saved=selectors.count(user))
        naming.refuse_taken(selectors.for_user(user).filter(name=row.name).exclude(pk=row.pk))
        row.save()
        publishing.follow(row)
        if row.copied_from is not None:
            publishing.count_copy(user, row.copied_from)
    return row


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Column values for what was sent. Raises InputError with every fault; its paths are the field's names."""
    faults: list[Fault] = []
    values: dict[str, Any] = {
        "name": naming.name_of(fields["name"], faults),
        "description": naming.text(fields["description"], "description", naming.DESCRIPTION_LENGTH, faults),
        "is_public": fields["is_public"],
    }
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
