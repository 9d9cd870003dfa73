"""The form that changes the settings of a running session: what was typed ↔ the changes that the service takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import QueryDict

from bots.models import SessionSettings
from bots.settings_columns import from_columns
from engine.errors import Fault, InputError
from strategies import declared_fields, session_settings
from strategies.run_form import SETTINGS, SettingGroup, setting_groups


class SettingsForm:
    """What stands in the form, over the version in force. `errors` by field name, cautions to be confirmed."""

    def __init__(self, latest: SessionSettings, values: Mapping[str, Any] | None = None) -> None:
        self.untouched = session_settings.as_json(from_columns(latest))
        self.values = dict(values or {})
        self.errors: dict[str, str] = {}
        self.other_errors: list[str] = []
        self.cautions: list[Fault] = []

    @classmethod
    def from_request(cls, latest: SessionSettings, sent: QueryDict) -> SettingsForm:
        """As sent by the page."""
        return cls(latest, declared_fields.typed(session_settings.SETTINGS, sent, SETTINGS))

    def changes(self) -> dict[str, Any]:
        """What differs from the version in force. Raises InputError with every value that cannot be read."""
        cleaned, faults = declared_fields.read(session_settings.SETTINGS, self.values, SETTINGS)
        if faults:
            raise InputError(faults)
        plain = {name: session_settings.SETTINGS[name].json(value) for name, value in cleaned.items()}
        return {name: value for name, value in plain.items() if value != self.untouched[name]}

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to its field; the first of a field stands."""
        for fault in faults:
            name = fault.path if fault.path.startswith(f"{SETTINGS}.") else f"{SETTINGS}.{fault.path}"
            words = " ".join(part.rstrip(".") + "." for part in (fault.message, fault.hint) if part)
            if name.removeprefix(f"{SETTINGS}.") in session_settings.SETTINGS:
                self.errors.setdefault(name, words)
            else:
                self.other_errors.append(words)

    @property
    def setting_groups(self) -> list[SettingGroup]:
        return setting_groups(self.values, self.errors, self.untouched)
