"""Names and descriptions that owners give to their strategies."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from engine.errors import Fault
from tradingsite.lib.errors import Conflict
from tradingsite.lib.text import bad_character

NAME_LENGTH, DESCRIPTION_LENGTH = 120, 2_000
_TAKEN = "You have a strategy of that name already."


def text(value: object, path: str, limit: int, faults: list[Fault]) -> str:
    """`value` where it is text that may be kept; its faults go to `faults`."""
    if not isinstance(value, str):
        faults.append(Fault(path, "wrong_type", "Must be text."))
        return "?"
    if found := bad_character(value):
        faults.append(Fault(path, "bad_text", f"It holds the character {found}, which is not allowed."))
    elif len(value) > limit:
        faults.append(Fault(path, "out_of_range", f"It has {len(value)} characters.", f"At most {limit}."))
    return value


def name_of(value: object, faults: list[Fault]) -> str:
    """`value` as the name of a strategy; its faults go to `faults`."""
    name = text(value, "name", NAME_LENGTH, faults).strip()
    if not name:
        faults.append(Fault("name", "required", "A saved strategy needs a name."))
    return name


def refuse_taken(others: QuerySet) -> None:
    """Raises Conflict where `others`, those of that name, has any. Call inside the transaction that holds the owner's
    lock, so that two requests cannot both find the name free."""
    if others.exists():
        raise Conflict(_TAKEN, faults=[Fault("name", "already_taken", _TAKEN, "Choose another name.")])


def free_name(name: str, names: Iterable[str]) -> str:
    """The next name like `name` that is none of `names`."""
    taken = set(names)
    base = name[: NAME_LENGTH - 20]
    candidates = (f"{base} (copy {n})" if n else f"{base} (copy)" for n in (0, *range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)
