"""The settings of a run: one declaration for backtests, paper and live sessions, and its translation into engine rules.

`SETTINGS` declares them, `PRESETS` names three sets of them, `clean` checks what a user sent, `cautions` says what is
legal but probably not meant, `to_rules` makes the engine's `Rules` and `Costs`. Plain Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import Fault, InputError
from strategies.params import clean_all, shown
from strategies.session_settings.cautions import cautions
from strategies.session_settings.declared import DEFAULT_PRESET, PRESETS, SETTINGS
from strategies.session_settings.rules import refuse_conflicts, to_rules, uses_exchange_session

__all__ = [
    "DEFAULT_PRESET",
    "PRESETS",
    "SETTINGS",
    "as_json",
    "cautions",
    "changed",
    "clean",
    "declarations",
    "preset",
    "to_rules",
    "uses_exchange_session",
]


def preset(name: object = DEFAULT_PRESET) -> dict[str, Any]:
    """Every setting with the value it has under that preset. Raises InputError (path ``preset``)."""
    if not isinstance(name, str) or name not in PRESETS:
        hint = f"One of: {', '.join(PRESETS)}."
        raise InputError(Fault("preset", "unknown_choice", f"There is no preset {shown(name)}.", hint))
    return {key: param.default for key, param in SETTINGS.items()} | PRESETS[name]


def clean(raw: object, *, preset_name: object = DEFAULT_PRESET) -> dict[str, Any]:
    """Every setting with a checked value: what was sent, else the preset's.

    Raises InputError with all faults; paths are setting names (``preset`` for the preset itself). Settings that are
    legal alone and contradict each other are faults too (`conflict`).
    """
    base, sent = preset(preset_name), clean_all(SETTINGS, raw)
    named = raw if isinstance(raw, Mapping) else {}
    settings = {key: sent[key] if key in named else base[key] for key in SETTINGS}
    refuse_conflicts(settings)
    return settings


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Cleaned settings as rows and API answers hold them; `clean(as_json(s)) == s`."""
    return {key: param.json(settings[key]) for key, param in SETTINGS.items()}


def changed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of JSON-ready settings that are not as in the default preset: what is kept under a name."""
    defaults = as_json(preset())
    return {name: value for name, value in settings.items() if value != defaults.get(name)}


def declarations() -> list[dict[str, Any]]:
    """The declaration of every setting, in the order of forms, JSON-ready."""
    return [param.declaration() for param in SETTINGS.values()]
