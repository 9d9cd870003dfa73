"""Writes of custom strategies: trees that are checked as they come in, and once more by a worker on bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts import quotas
from accounts.models import User
from engine.errors import Fault, InputError
from strategies import catalogue, conditions, readers, selectors
from strategies.gallery import publishing
from strategies.models import TREES, CustomStrategy
from strategies.services import naming
from strategies.services.gate import CONDITIONS
from tradingsite.lib.errors import Conflict

COLUMNS = tuple(f"{name}_conditions" for name in TREES)
CHANGEABLE = ("name", "description", *COLUMNS, "is_active", "is_public")
DEFAULTS: dict[str, Any] = {
    "description": "",
    **dict.fromkeys(COLUMNS),
    "is_active": True,
    "is_public": False,
}


def create(user: User, payload: Any) -> CustomStrategy:
    """A new custom strategy; what is left out has its default. A worker then checks its trees.

    Raises NotAllowed (tier), InputError with every fault, Conflict (the owner has that name), QuotaExceeded.
    """
    quotas.check_custom_strategy(user)
    fields = readers.strict(readers.mapping, "", payload)
    return _add(user, CustomStrategy(owner=user, **_checked({"name": None, **DEFAULTS, **fields})))


def update(user: User, custom_id: int, payload: Any) -> CustomStrategy:
    """Changes the named fields of one of the user's own. Changed trees are checked anew.

    Stored backtests, bots and sessions keep the trees that they copied. Raises NotFound, NotAllowed, InputError,
    Conflict.
    """
    selectors.custom(user, custom_id)
    quotas.check_custom_strategy(user)
    changes = readers.strict(readers.mapping, "", payload)
    with transaction.atomic():
        quotas.lock(user)
        row = selectors.custom(user, custom_id)
        before = row.parameters
        values = _checked({**{name: getattr(row, name) for name in CHANGEABLE}, **changes})
        # One that failed is checked once more whenever it is saved: it may have been the check's own fault.
        anew = row.check_state == CustomStrategy.Check.FAILED or any(
            values[column] != before[name] for name, column in zip(TREES, COLUMNS, strict=True)
        )
        if anew:
            values |= {**_UNCHECKED, "revision": row.revision + 1}
        for field, value in values.items():
            setattr(row, field, value)
        _refuse_taken(user, row)
        # Only these columns: a worker may be writing down its check of the trees, which stay.
        row.save(update_fields=[*values, "updated_at"])
        if anew:
            ask_for_check(row)
        publishing.follow(row)
    return row


def replace(user: User, custom_id: int, payload: Any) -> CustomStrategy:
    """The whole strategy anew: what is left out gets its default. Raises as `update`."""
    selectors.custom(user, custom_id)
    fields = readers.strict(readers.mapping, "", payload)
    return update(user, custom_id, {"name": None, **DEFAULTS, **fields})


def remove(user: User, custom_id: int) -> None:
    """Deletes one of the user's own. What copied its trees keeps them. Raises NotFound, Conflict while it is run."""
    with transaction.atomic():
        quotas.lock(user)
        row = selectors.custom(user, custom_id)
        if running := selectors.running_custom(row):
            named = ", ".join(running[:5])
            raise Conflict(f"“{row.name}” is being run by {named}. Stop that first.", code="strategy_in_use")
        row.delete()


def copy(user: User, custom_id: int, name: str | None = None) -> CustomStrategy:
    """A private copy of an own or public one, under `name` or the next free name like the original's.

    Raises NotFound, NotAllowed, InputError, Conflict, QuotaExceeded.
    """
    original = selectors.readable_custom(user, custom_id)
    quotas.check_custom_strategy(user)
    if name is None:
        name = naming.free_name(original.name, selectors.custom_of(user).values_list("name", flat=True))
    fields = {field: getattr(original, field) for field in CHANGEABLE}
    fields |= {"name": name, "is_public": False, "is_active": True}
    return _add(user, CustomStrategy(owner=user, copied_from=original, **_checked(fields)))


def trees(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical trees of a request by name (buy, sell, short, cover); None where there is none.

    Raises InputError with every fault; its paths begin with the field's name: buy_conditions.children[2].
    """
    declared = catalogue.get(CONDITIONS)
    raw = {name: fields[column] for name, column in zip(TREES, COLUMNS, strict=True) if fields.get(column) is not None}
    try:
        cleaned = declared.clean(raw)
    except InputError as error:
        raise InputError(Fault(_column(f.path), f.code, f.message, f.hint) for f in error.faults) from None
    return {name: declared.params[name].json(cleaned[name]) for name in TREES}


def validate(payload: Any) -> dict[str, Any]:
    """What there is to say about trees, with nothing written: for a builder that asks after each change.

    ``{"valid", "errors": faults by path, "buy_conditions", … canonical (None where absent or faulty), "sentences":
    {name: words}, "nodes", "depth"}`` of the trees that have no fault. How many bars they need, a look at bars tells
    (`trials`): it takes the indicator library. Raises InputError where the request is no object or has fields that it
    does not know.
    """
    raw = readers.strict(readers.mapping, "", payload)
    reader = readers.Reader(raw)
    reader.refuse_unknown(COLUMNS)
    reader.finish()
    faults: list[Fault] = []
    sound: dict[str, Any] = dict.fromkeys(TREES)
    try:
        sound = trees(raw)
    except InputError as error:
        faults = list(error.faults)
        broken = {fault.path.partition(".")[0].partition("[")[0] for fault in faults}
        for name, column in zip(TREES, COLUMNS, strict=True):
            if raw.get(column) is not None and column not in broken:
                sound[name] = _sound(raw[column])
    return {
        "valid": not faults,
        "errors": [fault.as_dict() for fault in faults],
        **{column: sound[name] for name, column in zip(TREES, COLUMNS, strict=True)},
        "sentences": sentences(sound),
        **size(sound),
    }


def _sound(tree: object) -> Any:
    """The tree in its canonical form; None for one whose faults found no place among those told."""
    try:
        return conditions.clean(tree)
    except InputError:
        return None


def sentences(parameters: Mapping[str, Any]) -> dict[str, str | None]:
    """Each tree in words; None where there is none."""
    return {**dict.fromkeys(TREES), **conditions.sentences(parameters)}


def size(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Nodes of the trees together, and levels of the deepest one."""
    there = given(parameters)
    return {
        "nodes": sum(len(conditions.nodes(tree)) for tree in there),
        "depth": max((conditions.depth(tree) for tree in there), default=0),
    }


def given(parameters: Mapping[str, Any]) -> list[Any]:
    """The trees that there are."""
    return [tree for tree in parameters.values() if tree is not None]


def ask_for_check(row: CustomStrategy) -> None:
    """Send the row's trees to a worker once the transaction commits. What is not sent is sent by the housekeeping."""
    from strategies import tasks

    transaction.on_commit(lambda: tasks.send_check(row.pk, row.revision))


_UNCHECKED: dict[str, Any] = {
    "check_state": CustomStrategy.Check.PENDING,
    "check_reason": "",
    "check_report": None,
    "check_version": "",
    "check_sent_at": None,
    "checked_at": None,
    "warmup": None,
    "measured_warmup": None,
}


def _add(user: User, row: CustomStrategy) -> CustomStrategy:
    with transaction.atomic():
        locked = quotas.lock(user)
        quotas.check_saved_strategies(locked, saved=selectors.count(user))
        _refuse_taken(user, row)
        row.save()
        ask_for_check(row)
        publishing.follow(row)
        if row.copied_from is not None:
            publishing.count_copy(user, row.copied_from)
    return row


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Column values for what was sent. Raises InputError with every fault; its paths are the field's names."""
    reader = readers.Reader(fields)
    reader.refuse_unknown(CHANGEABLE)
    faults = reader.faults
    if fields["name"] is None:
        faults.append(Fault("name", "required", "A custom strategy needs a name."))
    values: dict[str, Any] = {
        "name": "?" if fields["name"] is None else naming.name_of(fields["name"], faults),
        "description": naming.text(fields["description"], "description", naming.DESCRIPTION_LENGTH, faults),
    }
    for field in ("is_active", "is_public"):
        values[field] = fields[field]
        if not isinstance(fields[field], bool):
            faults.append(Fault(field, "wrong_type", "Must be true or false."))
    if fields["is_public"] is True and not values["description"].strip():
        faults.append(publishing.NEEDS_DESCRIPTION)
    try:
        values |= {f"{name}_conditions": tree for name, tree in trees(fields).items()}
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(faults)
    return values


def _refuse_taken(user: User, row: CustomStrategy) -> None:
    naming.refuse_taken(selectors.custom_of(user).filter(name=row.name).exclude(pk=row.pk))


def _column(path: str) -> str:
    """The path of a tree's fault as the request has it: buy.children[0] is buy_conditions.children[0]."""
    for name, column in zip(TREES, COLUMNS, strict=True):
        if path == name or path.startswith((f"{name}.", f"{name}[")):
            return column + path[len(name) :]
    return path
