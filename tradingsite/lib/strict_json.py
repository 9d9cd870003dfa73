"""JSON text as Python values: nothing poisoned, ambiguous or bottomless gets past this module. Plain Python.

Codes of its faults: ``malformed`` (not JSON), ``tree_too_deep``, ``duplicate_key``, ``bad_text``,
``not_a_finite_number``, ``out_of_range``.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.errors import Fault, InputError
from tradingsite.lib.text import bad_character, printable

MAX_DEPTH = 32
MAX_FAULTS = 10
# Deeper than anybody nests by hand, far shallower than the interpreter's own limit: past this no parse is tried, so
# that the reader's recursion cannot be exhausted; up to it the parse succeeds and the answer can name the place.
_PARSE_DEPTH = 256
_INT64 = 2**63
_FLOAT_DIGITS = 309
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in the parsed tree where a value was that may not enter, until the walk reports it with its path."""

    code: str
    message: str
    hint: str = ""


class _Twice(dict[str, Any]):
    """An object in which some key stood more than once."""

    repeated: str = ""


def loads(raw: bytes | str, *, max_depth: int = MAX_DEPTH, root: str = "") -> Any:
    """The values that `raw` (bytes: UTF-8) holds. The caller has bounded its length.

    root: what the paths of faults begin with. Raises InputError that names the place of each fault (at most ten).
    """
    if isinstance(raw, bytes):
        try:
            raw = raw.decode("utf-8")
        except UnicodeDecodeError as exc:
            message = f"byte {exc.start} does not belong to UTF-8 text"
            raise InputError(Fault(root, "bad_text", message, "Send JSON in UTF-8.")) from None
    if _depth(raw) > _PARSE_DEPTH:
        raise InputError(_too_deep(root, max_depth))
    try:
        tree = json.loads(
            raw,
            object_pairs_hook=_object,
            parse_constant=lambda word: _Refused("not_a_finite_number", f"{word} is not a finite number"),
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as exc:
        message = f"not valid JSON at line {exc.lineno}, column {exc.colno}: {exc.msg}"
        raise InputError(Fault(root, "malformed", message)) from None
    faults = []
    for fault in _walk(tree, max_depth, root):
        faults.append(fault)
        if len(faults) == MAX_FAULTS:
            break
    if faults:
        raise InputError(faults)
    return tree


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings."""
    deepest = depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    twice = _Twice(plain)
    twice.repeated = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return twice


def _float(digits: str) -> float | _Refused:
    value = float(digits)
    return value if math.isfinite(value) else _Refused("not_a_finite_number", f"{printable(digits)} is not finite")


def _int(digits: str) -> int | _Refused:
    if len(digits) > _FLOAT_DIGITS:
        return _Refused("not_a_finite_number", f"a whole number of {len(digits)} digits is not a finite number here")
    value = int(digits)
    if not -_INT64 <= value < _INT64:
        return _Refused("out_of_range", f"{printable(digits)} is out of range", "Whole numbers have at most 64 bits.")
    return value


def _walk(tree: Any, max_depth: int, root: str) -> Iterator[Fault]:
    """Every fault in the parsed tree, in no order; without recursion."""
    pending: list[tuple[str, Any, int]] = [(root, tree, 1)]
    while pending:
        path, value, depth = pending.pop()
        if isinstance(value, _Refused):
            yield Fault(path, value.code, value.message, value.hint)
        elif isinstance(value, str):
            if bad := bad_character(value):
                yield bad_text(path, bad)
        elif isinstance(value, (dict, list)):
            if depth > max_depth:
                yield _too_deep(path, max_depth)
                continue
            if isinstance(value, list):
                pending += [(f"{path}[{index}]", inner, depth + 1) for index, inner in enumerate(value)]
                continue
            if isinstance(value, _Twice):
                name = printable(value.repeated)
                yield Fault(_step(path, name), "duplicate_key", f"{name!r} stands here twice", "Keep one of them.")
            for name, inner in value.items():
                if bad := bad_character(name):
                    yield bad_text(_step(path, printable(name)), bad)
                pending.append((_step(path, printable(name)), inner, depth + 1))


def _step(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _too_deep(path: str, max_depth: int) -> Fault:
    return Fault(path, "tree_too_deep", f"nested deeper than {max_depth} levels", "Flatten it.")


def bad_text(path: str, character: str) -> Fault:
    """The fault of a text that holds a character which may not enter."""
    return Fault(path, "bad_text", f"contains {character}, which no text may contain", "Remove that character.")
