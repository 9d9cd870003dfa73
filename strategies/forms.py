"""The form of a saved strategy: what people type ↔ the arguments of `strategies.services`.

It has no rules of its own: its fields are made from the declarations, and what was typed is checked where the API's
body is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import QueryDict

from engine.errors import Fault, InputError
from strategies import declared_fields, session_settings
from strategies.base import Strategy
from strategies.declared_fields import Field, Group
from strategies.models import UserStrategy

PLAIN = ("name", "description", "is_public")
PARAMETERS, SETTINGS = "parameters", "settings"


class StrategyForm:
    """What stands in the form: `values` by field name (text, bool, or a list for days), `errors` by field name."""

    def __init__(self, declared: type[Strategy], values: Mapping[str, Any] | None = None) -> None:
        self.declared = declared
        self.params = {PARAMETERS: declared.params, SETTINGS: session_settings.SETTINGS}
        self.values: dict[str, Any] = {"name": "", "description": "", "is_public": False, **(values or {})}
        self.errors: dict[str, str] = {}
        self.other_errors: list[str] = []

    @classmethod
    def from_row(cls, row: UserStrategy) -> StrategyForm:
        """Filled in with what is saved."""
        values = {name: getattr(row, name) for name in PLAIN}
        values |= {f"{PARAMETERS}.{name}": value for name, value in row.parameters.items()}
        values |= {f"{SETTINGS}.{name}": value for name, value in row.settings.items()}
        return cls(row.declared, values)

    @classmethod
    def from_request(cls, declared: type[Strategy], sent: QueryDict) -> StrategyForm:
        """Filled in with what was typed."""
        plain = {"name": sent.get("name", ""), "description": sent.get("description", "")}
        form = cls(declared, {**plain, "is_public": sent.get("is_public") == "true"})
        for prefix, params in form.params.items():
            form.values |= declared_fields.typed(params, sent, prefix)
        return form

    def payload(self) -> dict[str, Any]:
        """The arguments for `services.create` or `.update`. Raises InputError with every value that cannot be read."""
        parameters, faults = declared_fields.read(self.declared.params, self.values, PARAMETERS)
        settings, more = declared_fields.read(session_settings.SETTINGS, self.values, SETTINGS)
        if faults + more:
            raise InputError(faults + more)
        default = session_settings.preset()
        return {
            **{name: self.values[name] for name in PLAIN},
            "strategy": self.declared.slug,
            "parameters": {name: self.declared.params[name].json(value) for name, value in parameters.items()},
            "settings": {
                name: session_settings.SETTINGS[name].json(value)
                for name, value in settings.items()
                if value != default[name]
            },
        }

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to the field it belongs to; the first of a field stands."""
        known = {*PLAIN, *(f"{prefix}.{name}" for prefix, params in self.params.items() for name in params)}
        for fault in faults:
            words = " ".join(part for part in (fault.message, fault.hint) if part)
            if fault.path in known:
                self.errors.setdefault(fault.path, words)
            else:
                self.other_errors.append(words)

    @property
    def parameter_fields(self) -> list[Field]:
        return self._fields(PARAMETERS)

    @property
    def setting_groups(self) -> list[Group]:
        return declared_fields.grouped(self._fields(SETTINGS))

    def _fields(self, prefix: str) -> list[Field]:
        params = self.params[prefix]
        untouched = {name: param.json(param.default) for name, param in params.items()}
        return declared_fields.fields(params, self.values, self.errors, prefix, untouched)
