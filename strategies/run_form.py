"""What the forms of backtests, sessions and bots share: a strategy is picked, parameters and settings are typed.

A form has no rules of its own. Its fields are made from the declarations of strategies and session settings, and what
was typed is checked by a service, as the API's body is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from django.http import QueryDict
from django.utils.text import Truncator

from accounts.models import User
from engine.errors import Fault, InputError
from strategies import catalogue, conditions, declared_fields, reading, selectors, session_settings
from strategies.base import Strategy
from strategies.declared_fields import Field
from strategies.ensemble import Ensemble
from strategies.models import CustomStrategy, UserStrategy
from strategies.params import Param
from strategies.services.gate import CONDITIONS
from tradingsite.lib.errors import NotAllowed, NotFound, Unprocessable

# The picker names a saved and a custom strategy so, a shipped one by its slug.
SAVED, CUSTOM = "saved:", "custom:"
PARAMETERS, SETTINGS = "strategy_parameters", "settings"
MOST_WORDS = 3
MOST_DIGITS = 20  # of an id; longer ones are nobody's
MOST_LETTERS = 140  # of what conditions say, in the picker
# (value, title, what it sets): the words beside the presets
PRESET_CHOICES = (
    ("conservative", "Conservative", "5 % positions, 2 % stop, 4 % target, 2 % daily loss, 10 positions at most"),
    ("standard", "Standard", "10 % of equity per entry, 25 % at most, no stops"),
    ("active", "Active", "10 % positions, 2 % stop, 5 % target, 10 % daily loss"),
)
TIMEFRAME_LABELS = {
    "1s": "1 second",
    "1m": "1 minute",
    "5m": "5 minutes",
    "15m": "15 minutes",
    "1h": "1 hour",
    "4h": "4 hours",
    "1d": "1 day",
}


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings under one heading; `words` says which of them are set, for when the group is closed."""

    title: str
    fields: list[Field]
    words: str
    has_error: bool


class RunForm:
    """What stands in the form. `values` by field name (text, or lists for `symbols` and days), `errors` by field name.

    cautions: legal but unusual settings that have to be confirmed before the run.
    A form names its plain fields in PLAIN, those of them that are numbers in NUMBERS, what stands in them at first in
    DEFAULTS.
    """

    PLAIN: ClassVar[tuple[str, ...]] = ()
    NUMBERS: ClassVar[tuple[str, ...]] = ()
    FLAGS: ClassVar[tuple[str, ...]] = ()
    DEFAULTS: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, user: User, values: Mapping[str, Any]) -> None:
        self.user = user
        self.values: dict[str, Any] = {**self.DEFAULTS, **values}
        self.values.setdefault("symbols", [])
        self.errors: dict[str, str] = {}
        self.other_errors: list[str] = []
        self.cautions: list[Fault] = []
        self.unseen: set[str] = set()  # fields that the page which sent this did not show
        self._saved: UserStrategy | None = None
        self._custom: CustomStrategy | None = None

    # --- where it comes from --------------------------------------------------------------------------------------

    @classmethod
    def from_config(cls, user: User, config: Mapping[str, Any], saved_id: int | None = None) -> Self:
        """Filled in like an earlier request (JSON-ready)."""
        values: dict[str, Any] = {key: as_text(config[key]) for key in cls.PLAIN if config.get(key) is not None}
        values["strategy"] = f"{SAVED}{saved_id}" if saved_id else config["strategy"]
        custom = selectors.custom_of(user).filter(pk=config.get("custom_strategy_id") or 0).first()
        if custom and custom.parameters == config[PARAMETERS]:
            values["strategy"] = f"{CUSTOM}{custom.pk}"  # one that was changed since runs as it was then
        values["symbols"] = list(config["symbols"])
        values |= {name: bool(config.get(name)) for name in cls.FLAGS}
        for prefix in (PARAMETERS, SETTINGS):
            for name, value in config[prefix].items():
                values[f"{prefix}.{name}"] = value if isinstance(value, list | bool) else as_text(value)
        return cls(user, values)

    @classmethod
    def from_request(cls, user: User, sent: QueryDict) -> Self:
        """As sent by the page. Parameters and settings count only if they were shown for what is chosen now."""
        values: dict[str, Any] = {key: sent[key].strip() for key in cls.PLAIN if key in sent}
        values["strategy"] = sent.get("strategy", "")
        typed = [part for text in sent.getlist("symbols") for part in re.split(r"[\s,;]+", text)]
        values["symbols"] = list(dict.fromkeys(part.upper() for part in typed if part))
        values |= {name: sent.get(name) == "true" for name in cls.FLAGS}
        form = cls(user, values)
        if sent.get("parameters_of") == values["strategy"]:
            form.values |= declared_fields.typed(form.parameters, sent, PARAMETERS)
        else:
            form.unseen |= {f"{PARAMETERS}.{name}" for name in form.parameters}
        if sent.get("settings_of") == form.values["preset"]:
            form.values |= declared_fields.typed(session_settings.SETTINGS, sent, SETTINGS)
        return form

    # --- what it says ---------------------------------------------------------------------------------------------

    @property
    def has_errors(self) -> bool:
        return bool(self.errors or self.other_errors)

    @property
    def saved(self) -> UserStrategy | None:
        """The saved strategy that is chosen; None for a shipped one and for one that is not the user's."""
        key = _key(self.values["strategy"], SAVED)
        if self._saved is None and key:
            try:
                self._saved = selectors.get(self.user, key)
            except NotFound:
                return None
        return self._saved

    @property
    def custom(self) -> CustomStrategy | None:
        """The custom strategy that is chosen; None for any other and for one that is not the user's."""
        key = _key(self.values["strategy"], CUSTOM)
        if self._custom is None and key:
            try:
                self._custom = selectors.custom(self.user, key)
            except NotFound:
                return None
        return self._custom

    @property
    def sentences(self) -> list[str]:
        """What the chosen conditions say; none for a strategy without any."""
        if self.custom:
            return list(conditions.sentences(self.custom.parameters).values())
        if self.parameters is not conditions.Conditions.params:
            return []
        try:
            return list(conditions.sentences(conditions.Conditions.parse(self._trees)).values())
        except InputError:
            return []

    @property
    def parameters(self) -> Mapping[str, Param[Any]]:
        """The declared parameters of the chosen strategy; none while none is chosen."""
        chosen = self.chosen
        return {} if chosen is None else chosen.params

    @property
    def chosen(self) -> type[Strategy] | None:
        """The chosen strategy's class; None while none is chosen."""
        try:
            return catalogue.get(self.saved.strategy if self.saved else self.values["strategy"])
        except InputError:
            return None

    @property
    def symbols_words(self) -> str:
        """How many symbols the chosen strategy trades together; "" where it takes each by itself."""
        return "" if self.chosen is None else reading.symbols_words(self.chosen)

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The request body, and what could not even be read as the type it should have."""
        faults: list[Fault] = []
        body: dict[str, Any] = {key: self.values[key] for key in self.PLAIN if self.values.get(key)}
        for key in self.NUMBERS:
            if key in body:
                body[key] = read_number(key, body[key], faults)
        if self.saved:
            body["saved_strategy_id"] = self.saved.pk
        elif self.custom:
            body["custom_strategy_id"] = self.custom.pk
        else:
            body["strategy"] = self.values["strategy"] or None
        body["symbols"] = self.values["symbols"] or None
        body |= {name: bool(self.values.get(name)) for name in self.FLAGS}
        body[PARAMETERS] = self._typed(PARAMETERS, self.parameters, faults)
        body[SETTINGS] = self._typed(SETTINGS, session_settings.SETTINGS, faults)
        return body, faults

    def _typed(self, prefix: str, params: Mapping[str, Param[Any]], faults: list[Fault]) -> dict[str, Any]:
        cleaned, unreadable = declared_fields.read(params, self.values, prefix)
        faults += unreadable
        return {name: params[name].json(value) for name, value in cleaned.items()}

    def examine(self, body: Mapping[str, Any]) -> list[Fault]:
        """The cautions of a body; nothing is written. Raises InputError with every fault. Each form says how."""
        raise NotImplementedError

    def check(self, *, live: bool = False) -> dict[str, Any]:
        """Checks what stands in the form; fills `errors` and `cautions`. Returns the request body.

        live: while somebody is still typing, a field that is still empty is no error.
        """
        body, faults = self.payload()
        try:
            self.cautions = self.examine(body)
        except InputError as error:
            faults += error.faults
        except (NotAllowed, Unprocessable) as refusal:
            faults += refusal.faults
            if not refusal.faults:
                self.other_errors.append(refusal.message)
        self.refuse(fault for fault in faults if not (live and fault.code == "required"))
        return body

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to the field it belongs to; the first of a field stands."""
        for fault in faults:
            name = re.sub(r"\[\d+\].*", "", fault.path)
            name = "strategy" if name in ("saved_strategy_id", "custom_strategy_id") else name
            words = " ".join(part.rstrip(".") + "." for part in (fault.message, fault.hint) if part)
            if (name, fault.code) == ("symbols", "required"):
                words = "Choose at least one symbol."  # the API's hint shows how to write a list
            if name in self.field_names:
                self.errors.setdefault(name, words)
            else:
                self.other_errors.append(f"{name}: {words}" if name else words)

    def key(self, drawn: str, body: Mapping[str, Any]) -> str:
        """The idempotency key: the same form sent twice with the same content is one run, a changed one is not."""
        content = json.dumps([drawn, body], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()

    # --- what the template draws ------------------------------------------------------------------------------------

    @property
    def field_names(self) -> list[str]:
        """Every field that can carry an error."""
        names = [
            *("strategy", "symbols", *self.FLAGS, *self.PLAIN),
            *(f"{PARAMETERS}.{name}" for name in self.parameters),
            *(f"{SETTINGS}.{name}" for name in session_settings.SETTINGS),
        ]
        return [name for name in names if name not in self.unseen]

    @property
    def field_errors(self) -> list[tuple[str, str]]:
        """Each field with its error, empty where it is right."""
        return [(name, self.errors.get(name, "")) for name in self.field_names]

    @property
    def parameter_fields(self) -> list[Field]:
        kept = self.saved.parameters if self.saved else {}
        untouched = {name: kept.get(name, param.json(param.default)) for name, param in self.parameters.items()}
        fields = declared_fields.fields(self.parameters, self.values, self.errors, PARAMETERS, untouched)
        # A tree goes along unseen, as the text that it was sent as.
        return [replace(field, value=as_text(field.value)) if field.is_tree else field for field in fields]

    @property
    def _trees(self) -> dict[str, str]:
        """The trees in the form as text, by name."""
        return {field.declaration["name"]: str(field.value) for field in self.parameter_fields if field.is_tree}

    @property
    def setting_groups(self) -> list[SettingGroup]:
        """Settings by heading. What was typed stands over the saved strategy's settings, those over the preset's."""
        try:
            base = session_settings.preset(self.values["preset"])
        except InputError:
            base = session_settings.preset()
        untouched = session_settings.as_json(base) | (self.saved.settings if self.saved else {})
        return setting_groups(self.values, self.errors, untouched)

    @property
    def strategy_choices(self) -> list[dict[str, Any]]:
        return [
            {
                "value": strategy.slug,
                "label": strategy.label,
                "text": ("Unavailable here. " if strategy.unavailable() else "")
                + strategy.describe().split("\n\n")[0].replace("\n", " ").replace("`", ""),
                "kind": strategy.kind.replace("_", " "),
            }
            for strategy in [*catalogue.listed(), *self._from_before]
        ]

    @property
    def _from_before(self) -> list[type[Strategy]]:
        """The ensemble of an earlier run that stands under no name: offered while its members stand in the form."""
        is_one = self.values["strategy"] == Ensemble.slug and self.values.get(f"{PARAMETERS}.members")
        return [Ensemble] if is_one else []

    @property
    def saved_choices(self) -> list[dict[str, Any]]:
        return [
            {"value": f"{SAVED}{item.pk}", "label": item.name, "text": f"Saved, from {item.strategy}"}
            for item in selectors.for_user(self.user)
        ]

    @property
    def custom_choices(self) -> list[dict[str, Any]]:
        """The user's custom strategies that a run may use; none on a tier without them."""
        if not self.user.tier.allows_custom_strategies:
            return []
        rows = selectors.custom_of(self.user).filter(is_active=True).exclude(check_state=CustomStrategy.Check.FAILED)
        return [
            {
                "value": f"{CUSTOM}{row.pk}",
                "label": row.name,
                "text": Truncator(" ".join(conditions.sentences(row.parameters).values())).chars(MOST_LETTERS),
            }
            for row in rows
        ]

    @property
    def earlier_conditions(self) -> bool:
        """Whether the form holds conditions that are copied from an earlier run and stand under no name."""
        return self.values["strategy"] == CONDITIONS and any(self._trees.values())

    preset_choices = PRESET_CHOICES


def setting_groups(
    values: Mapping[str, Any], errors: Mapping[str, str], untouched: Mapping[str, Any]
) -> list[SettingGroup]:
    """The session settings by heading. untouched: JSON-ready values by name, shown where none was typed."""
    fields = declared_fields.fields(session_settings.SETTINGS, values, errors, SETTINGS, untouched)
    return [
        SettingGroup(group.title, group.fields, _summary(group.fields), group.has_error)
        for group in declared_fields.grouped(fields)
    ]


def read_number(name: str, text: str, faults: list[Fault]) -> int | float | None:
    """A number as people type it (``100,000`` too); what is none, infinities included, is None and a fault."""
    plain = text.replace(",", "").replace(" ", "")
    if not re.fullmatch(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})", plain, re.ASCII):
        why = "has more than 18 digits" if re.fullmatch(r"[+-]?\d+(\.\d*)?", plain, re.ASCII) else "is not a number"
        faults.append(Fault(name, "not_a_number", f"“{text[:40]}” {why}."))
        return None
    return float(plain) if "." in plain else int(plain)


def as_text(value: object) -> str:
    """A stored value as its control shows it."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:.10g}"
    text = str(value)
    return text[:5] if re.fullmatch(r"\d\d:\d\d:00", text) else text


def _key(chosen: str, prefix: str) -> int:
    """The id in what the picker sent; 0 where it names something else."""
    digits = chosen.removeprefix(prefix)
    return int(digits) if chosen.startswith(prefix) and digits.isdecimal() and len(digits) < MOST_DIGITS else 0


def _summary(fields: Sequence[Field]) -> str:
    """What is set apart from the defaults, in words: ``stop loss 2 %, take profit 4 %``."""
    words = []
    for field in fields:
        declared, shown = field.declaration, as_text(field.value)
        if shown in ("", as_text(declared["default"])) or field.value == declared["default"]:
            continue
        label = declared["label"].lower()
        if declared["type"] == "bool":
            words.append(label if field.value is True else f"no {label}")
            continue
        choices = {choice["value"]: choice["label"].lower() for choice in declared["choices"] or ()}
        value = ", ".join(field.value) if isinstance(field.value, list) else choices.get(shown, shown)
        words.append(" ".join(part for part in (label, value, declared["unit"]) if part))
    if len(words) > MOST_WORDS:
        words[MOST_WORDS:] = [f"{len(words) - MOST_WORDS} more"]
    nothing_on = all(as_text(field.value) in ("", "0", "False", "none", "never") for field in fields)
    return ", ".join(words) or ("none" if nothing_on else "by default")
