"""The first look at a tree of unknown origin: how large it is and what texts it holds, before anything reads it.

It walks without recursion and counts as it goes, so that nothing bottomless, endless or cyclic gets any further.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import Fault, InputError
from strategies.conditions.shapes import MAX_DEPTH, MAX_FAULTS, MAX_NODES
from tradingsite.lib.text import bad_character, printable

# A tree of MAX_DEPTH levels in its longest spelling; below that the levels of nodes are counted one by one.
_MAX_NESTING = 72
# More values than 500 comparisons in their longest form hold.
_MAX_VALUES = 40 * MAX_NODES


def refuse_unreadable(raw: object, path: str) -> None:
    """Raises InputError on nesting, size, text or keys that no tree can have."""
    faults = []
    for fault in _faults(raw, path):
        faults.append(fault)
        if fault.code in ("tree_too_deep", "tree_too_large") or len(faults) == MAX_FAULTS:
            break
    if faults:
        raise InputError(faults)


def too_deep(path: str) -> Fault:
    return Fault(path, "tree_too_deep", f"nested deeper than {MAX_DEPTH} levels", "Flatten it: groups may hold many.")


def too_large(path: str) -> Fault:
    message = f"more than {MAX_NODES} conditions and groups in all"
    return Fault(path, "tree_too_large", message, f"At most {MAX_NODES} in the trees of one strategy together.")


def _faults(raw: object, root: str) -> Iterator[Fault]:
    seen = 0
    pending: list[tuple[str, Any, int]] = [(root, raw, 1)]
    while pending:
        path, value, nesting = pending.pop()
        seen += 1
        if seen > _MAX_VALUES:
            yield too_large(path)
            return
        if isinstance(value, str):
            if bad := bad_character(value):
                yield Fault(path, "bad_text", f"contains {bad}, which no text may contain", "Remove that character.")
        elif isinstance(value, (Mapping, list, tuple)):
            if nesting > _MAX_NESTING:
                yield too_deep(path)
                return
            if len(value) > _MAX_VALUES:
                yield too_large(path)
                return
            inner = []
            if isinstance(value, Mapping):
                for name, entry in value.items():
                    if not isinstance(name, str):
                        yield Fault(path, "wrong_type", "has a name that is not text", "Names of fields are texts.")
                        continue
                    step = f"{path}.{printable(name)}"
                    if bad := bad_character(name):
                        yield Fault(step, "bad_text", f"contains {bad}, which no text may contain", "Remove it.")
                    inner.append((step, entry, nesting + 1))
            else:
                inner = [(f"{path}[{i}]", entry, nesting + 1) for i, entry in enumerate(value)]
            pending += reversed(inner)
