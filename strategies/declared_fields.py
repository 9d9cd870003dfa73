"""Declared parameters as fields of a form: what was typed ↔ cleaned values, and what a template draws.

A form keeps its values under ``<prefix>.<name>``: text as typed, a bool for a tick box, a list for days. Nothing here
has a rule of its own; the declarations have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from engine.errors import Fault, InputError
from strategies.params import BoolParam, DaysParam, Param

Params = Mapping[str, Param[Any]]


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field with what stands in it and what is wrong with it; `components/param_field` draws it.

    changed: whether it differs from the value that it would have if nobody had touched it.
    """

    declaration: dict[str, Any]
    value: object
    error: str
    changed: bool

    @property
    def is_tree(self) -> bool:
        """Whether it holds conditions, which are built on a page of their own."""
        return self.declaration["type"] == "conditions"


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading. changed: how many of them are."""

    title: str
    fields: list[Field]

    @property
    def changed(self) -> int:
        return sum(field.changed for field in self.fields)

    @property
    def has_error(self) -> bool:
        return any(field.error for field in self.fields)


def typed(params: Params, sent: QueryDict, prefix: str) -> dict[str, Any]:
    """What a browser sent for these parameters. It sends nothing for a box that is not ticked."""
    values: dict[str, Any] = {}
    for name, param in params.items():
        key = f"{prefix}.{name}"
        if isinstance(param, DaysParam):
            values[key] = sent.getlist(key)
        elif isinstance(param, BoolParam):
            values[key] = sent.get(key) == "true"
        elif key in sent:
            values[key] = sent[key].strip()
    return values


def read(params: Params, values: Mapping[str, Any], prefix: str) -> tuple[dict[str, Any], list[Fault]]:
    """(cleaned values by parameter name, faults with the path ``<prefix>.<name>``); what is not there is left out."""
    cleaned: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, param in params.items():
        value = values.get(f"{prefix}.{name}")
        if value is None:
            continue
        try:
            cleaned[name] = param.parse(value) if isinstance(value, str) else param.clean(value)
        except InputError as error:
            faults += error.under(prefix).faults
    return cleaned, faults


def fields(
    params: Params, values: Mapping[str, Any], errors: Mapping[str, str], prefix: str, untouched: Mapping[str, Any]
) -> list[Field]:
    """The fields in the order of their declaration. untouched: JSON-ready values by name, shown where none is given."""
    return [
        _field(param, values.get(f"{prefix}.{name}"), errors.get(f"{prefix}.{name}", ""), untouched[name])
        for name, param in params.items()
    ]


def grouped(chosen: Iterable[Field]) -> list[Group]:
    """The same fields under the headings of their declarations."""
    groups: dict[str, list[Field]] = {}
    for field in chosen:
        groups.setdefault(field.declaration["group"], []).append(field)
    return [Group(title, members) for title, members in groups.items()]


def _field(param: Param[Any], value: object, error: str, untouched: object) -> Field:
    shown = untouched if value is None else value
    return Field(
        declaration=param.declaration(),
        value="" if shown is None else shown,
        error=error,
        changed=value is not None and _plain(param, value) != _plain(param, untouched),
    )


def _plain(param: Param[Any], value: object) -> object:
    """The JSON form of what stands in a field; what cannot be read is itself, and so differs from anything legal."""
    try:
        return param.json(param.parse(value) if isinstance(value, str) else param.clean(value))
    except InputError:
        return ("unreadable", value)
