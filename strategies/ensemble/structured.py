"""Parameters that hold a list of objects. Forms do not draw them as one field; the pages that edit them know how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import Fault, InputError
from strategies.params import Param, shown
from tradingsite.lib.text import bad_character

_LONGEST_TEXT = 200_000


class ObjectsParam(Param[tuple[dict[str, Any], ...]]):
    """A list of objects, `least` to `most` of them; a subclass cleans one with `_one`. Its text form is JSON."""

    least, most = 0, 12

    def rule(self) -> str:
        return f"A list of {self.least} to {self.most} objects."

    def json(self, value: tuple[dict[str, Any], ...] | None) -> object:
        return None if value is None else list(value)

    def _parse(self, text: str) -> object:
        # Text that is no JSON is refused as what it is: no list.
        try:
            return json.loads(text) if len(text) <= _LONGEST_TEXT else text
        except (ValueError, RecursionError):
            return text

    def _clean(self, value: object) -> tuple[dict[str, Any], ...]:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
            raise self.fault("wrong_type", f"{self.label} must be a list, not {shown(value)}.", self.rule())
        if not self.least <= len(value) <= self.most:
            code = "required" if not value else "out_of_range"
            raise self.fault(code, f"{self.label} has {len(value)} entries.", self.rule())
        self._whole(value)
        entries, faults = [], []
        for i, entry in enumerate(value):
            try:
                if not isinstance(entry, Mapping):
                    raise InputError(Fault("", "wrong_type", f"It must be an object, not {shown(entry)}.", self.rule()))
                entries.append(self._one(entry))
            except InputError as error:
                faults += error.under(f"{self.name}[{i}]").faults
        if faults:
            raise InputError(faults)
        return tuple(entries)

    def _whole(self, value: Sequence[object]) -> None:
        """Raises InputError for what is wrong with the list as such, before anything inside is read."""

    def _one(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _words(self, value: Any) -> str:
        return f"{len(value)} entries"


def refuse_unknown(entry: Mapping[str, Any], known: Sequence[str]) -> list[Fault]:
    """A fault for each field that is none of `known`."""
    hint = f"Known: {', '.join(known)}."
    return [
        Fault(shown(name, quote=False), "unknown_field", "There is no such field.", hint)
        for name in entry
        if name not in known
    ]


def short_text(value: object, path: str, longest: int) -> str:
    """Plain text on one line. Raises InputError."""
    if not isinstance(value, str):
        raise InputError(Fault(path, "wrong_type", f"It must be text, not {shown(value)}."))
    if (bad := bad_character(value)) is not None or any(c in value for c in "\t\r\n"):
        raise InputError(Fault(path, "bad_text", f"It holds the character {bad or 'tab or line feed'}."))
    if len(value) > longest:
        raise InputError(Fault(path, "out_of_range", f"It has {len(value)} characters.", f"At most {longest}."))
    return value.strip()
