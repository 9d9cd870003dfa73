"""Several strategies put together as one: what each member is by its id becomes a copy of what it says today.

The ensemble is a saved strategy like any other. Its members are snapshots: whoever changes or deletes the original
later, the ensemble says what it said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from accounts.models import User
from engine.errors import Fault, InputError
from strategies import readers, selectors
from strategies.ensemble import Ensemble
from strategies.ensemble.members import NAME_LENGTH
from strategies.models import UserStrategy
from strategies.params import shown
from strategies.services import gate, saved
from tradingsite.lib.errors import NotFound

SAVED_ID, CUSTOM_ID = "saved_strategy_id", "custom_strategy_id"


def compose(
    user: User,
    *,
    name: str,
    members: Any,
    parameters: Mapping[str, Any] | None = None,
    enabled_strategies: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    description: str = "",
    is_public: bool = False,
) -> UserStrategy:
    """Saves an ensemble.

    members: `[{strategy, parameters?} or {saved_strategy_id} or {custom_strategy_id}, weight?, enabled?, timeframe?,
    name?}]`. parameters: the ensemble's other ones. enabled_strategies: names or slugs of the members that vote; None:
    as each says. Raises InputError (paths ``members[1].…``), NotFound never: a strange id is a fault of its field;
    Conflict, QuotaExceeded, NotAllowed, Unprocessable as `saved.create` and `gate.runnable`.
    """
    given = dict(parameters or {})
    if "members" in given:
        message = "The members stand beside the parameters, not among them."
        raise InputError(Fault("parameters.members", "unknown_field", message, "Send them as members."))
    entries = snapshot(user, members)
    if enabled_strategies is not None:
        entries = _enabled(entries, enabled_strategies)
    try:
        return saved.create(
            user,
            name=name,
            strategy=Ensemble.slug,
            parameters={**given, "members": entries},
            settings=settings,
            description=description,
            is_public=is_public,
        )
    except InputError as error:
        raise _beside(error) from error


def snapshot(user: User, members: Any) -> list[Any]:
    """The members as the ensemble keeps them, ids resolved. Raises InputError with every fault of an id."""
    if not isinstance(members, list):
        raise InputError(Fault("members", "wrong_type", f"Members must be a list, not {shown(members)}."))
    entries: list[Any] = []
    faults: list[Fault] = []
    for i, member in enumerate(members[: Ensemble.members.most + 1]):
        try:
            entries.append(_resolved(user, member) if isinstance(member, Mapping) else member)
        except InputError as error:
            faults += error.under(f"members[{i}]").faults
    if faults:
        raise InputError(faults)
    return entries


def _resolved(user: User, member: Mapping[str, Any]) -> dict[str, Any]:
    ids = [key for key in (SAVED_ID, CUSTOM_ID) if member.get(key) is not None]
    plain = {key: value for key, value in member.items() if key not in (SAVED_ID, CUSTOM_ID)}
    if not ids:
        return plain
    if len(ids) + ("strategy" in plain) > 1 or "parameters" in plain:
        message = "It names its strategy more than once."
        hint = f"Send strategy with parameters, or {SAVED_ID}, or {CUSTOM_ID}."
        raise InputError(Fault(ids[0], "conflict", message, hint))
    key = readers.strict(readers.integer, ids[0], member[ids[0]], low=1, high=selectors.MAX_ID)
    try:
        if ids[0] == SAVED_ID:
            row = selectors.readable(user, key)
            kept = {"strategy": row.strategy, "parameters": row.parameters}
        else:
            custom = selectors.readable_custom(user, key)
            gate.refuse_unfit(custom, custom.parameters)
            row, kept = custom, {"strategy": gate.CONDITIONS, "parameters": custom.parameters}
    except NotFound as error:
        raise InputError(Fault(ids[0], "not_found", "There is no such strategy.")) from error
    return {"name": row.name[:NAME_LENGTH], **plain, **kept}


def _enabled(entries: list[Any], wanted: Iterable[str]) -> list[Any]:
    """The entries with those named in `wanted` switched on and the others off."""
    wanted = list(wanted)
    known = {word for entry in entries if isinstance(entry, dict) for word in _words(entry)}
    if unknown := [word for word in wanted if word not in known]:
        message = f"No member is called {shown(unknown[0])}."
        raise InputError(Fault("enabled_strategies", "unknown_choice", message, f"One of: {', '.join(sorted(known))}."))
    return [
        {**entry, "enabled": bool(_words(entry) & set(wanted))} if isinstance(entry, dict) else entry
        for entry in entries
    ]


def _words(entry: Mapping[str, Any]) -> set[str]:
    return {word for key in ("strategy", "name") if isinstance(word := entry.get(key), str) and word}


def _beside(error: InputError) -> InputError:
    """Paths as the request has them: members beside the parameters."""
    return InputError(
        Fault(fault.path.replace("parameters.members", "members", 1), fault.code, fault.message, fault.hint)
        if fault.path.startswith("parameters.members")
        else fault
        for fault in error.faults
    )
