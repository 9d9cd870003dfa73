"""The form of a saved strategy: text as people type it ↔ the arguments of `strategies.services`.

It has no rules of its own: its fields are made from the declarations, and what was typed is checked where the API's
body is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from engine.errors import Fault, InputError
from strategies import session_settings
from strategies.base import Strategy
from strategies.models import UserStrategy
from strategies.params import BoolParam, DaysParam, Param

PLAIN = ("name", "description", "is_public")


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field with what stands in it and what is wrong with it."""

    declaration: dict[str, Any]
    value: object
    error: str


@dataclass(frozen=True, slots=True)
class Group:
    """Settings under one heading. changed: how many differ from the default."""

    title: str
    fields: list[Field]
    changed: int
    has_error: bool


class StrategyForm:
    """What stands in the form: `values` by field name (text, bool, or a list for days), `errors` by field name."""

    def __init__(self, declared: type[Strategy], values: Mapping[str, Any] | None = None) -> None:
        self.declared = declared
        self.values: dict[str, Any] = {"name": "", "description": "", "is_public": False, **(values or {})}
        self.errors: dict[str, str] = {}
        self.other_errors: list[str] = []

    @classmethod
    def from_row(cls, row: UserStrategy) -> StrategyForm:
        """Filled in with what is saved."""
        values = {name: getattr(row, name) for name in PLAIN}
        values |= {f"parameters.{name}": value for name, value in row.parameters.items()}
        values |= {f"settings.{name}": value for name, value in row.settings.items()}
        return cls(row.declared, values)

    @classmethod
    def from_request(cls, declared: type[Strategy], sent: QueryDict) -> StrategyForm:
        """Filled in with what was typed."""
        values: dict[str, Any] = {
            "name": sent.get("name", ""),
            "description": sent.get("description", ""),
            "is_public": sent.get("is_public") == "true",
        }
        form = cls(declared, values)
        for prefix, params in form._declared():
            for name, param in params.items():
                key = f"{prefix}.{name}"
                if isinstance(param, DaysParam):
                    form.values[key] = sent.getlist(key)
                elif isinstance(param, BoolParam):
                    form.values[key] = sent.get(key) == "true"
                elif key in sent:
                    form.values[key] = sent[key].strip()
        return form

    def payload(self) -> dict[str, Any]:
        """The arguments for `services.create` or `.update`. Raises InputError with every value that cannot be read."""
        faults: list[Fault] = []
        body: dict[str, Any] = {name: self.values[name] for name in PLAIN} | {"strategy": self.declared.slug}
        for prefix, params in self._declared():
            body[prefix] = {}
            for name, param in params.items():
                if (typed := self.values.get(f"{prefix}.{name}")) is None:
                    continue
                try:
                    value = param.clean(typed) if isinstance(typed, bool | list) else param.parse(typed)
                    if prefix == "parameters" or value != param.default:
                        body[prefix][name] = param.json(value)
                except InputError as error:
                    faults += error.under(prefix).faults
        if faults:
            raise InputError(faults)
        return body

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to the field it belongs to; the first of a field stands."""
        known = {*PLAIN, *(f"{prefix}.{name}" for prefix, params in self._declared() for name in params)}
        for fault in faults:
            words = " ".join(part for part in (fault.message, fault.hint) if part)
            if fault.path in known:
                self.errors.setdefault(fault.path, words)
            else:
                self.other_errors.append(words)

    @property
    def parameter_fields(self) -> list[Field]:
        return [self._field("parameters", param) for param in self.declared.params.values()]

    @property
    def setting_groups(self) -> list[Group]:
        """Settings by heading, in the order of their declaration."""
        groups: dict[str, list[Field]] = {}
        for param in session_settings.SETTINGS.values():
            groups.setdefault(param.group, []).append(self._field("settings", param))
        return [
            Group(title, fields, sum(map(_differs, fields)), any(field.error for field in fields))
            for title, fields in groups.items()
        ]

    def _declared(self) -> list[tuple[str, Mapping[str, Param[Any]]]]:
        return [("parameters", self.declared.params), ("settings", session_settings.SETTINGS)]

    def _field(self, prefix: str, param: Param[Any]) -> Field:
        key = f"{prefix}.{param.name}"
        given = param.json(param.default)
        value = self.values.get(key, given)
        return Field(param.declaration(), "" if value is None else value, self.errors.get(key, ""))


def _differs(field: Field) -> bool:
    default = field.declaration["default"]
    if isinstance(field.value, str) and isinstance(default, float | int) and not isinstance(default, bool):
        try:
            return float(field.value) != default
        except ValueError:
            return True
    return field.value != ("" if default is None else default)
