"""Parameters of strategies and settings: declared once, as class attributes.

A declaration is the only place where a parameter is described. Forms, the API schema, validation, sweep ranges and
help texts are made from `Param.declaration()`; values enter through `Param.clean()` (JSON and Python values) or
`Param.parse()` (text of forms and command lines) and nowhere else. Plain Python.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Generic, Self, TypeVar, cast, overload

from engine.errors import Fault, InputError

T = TypeVar("T")

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class Param(Generic[T]):
    """One declared parameter; on an instance of the declaring class the attribute reads as the parameter's value.

    default: used where no value is sent. An `optional` parameter takes None ("off") too, and may default to it.
    label: short name for people (made from the attribute's name when empty). help: one sentence.
    unit: what the number counts ("bars", "%", "s", "×"). group: heading under which forms put it.
    """

    type: ClassVar[str]

    def __init__(
        self,
        default: T | None,
        *,
        label: str = "",
        help: str = "",
        unit: str = "",
        group: str = "",
        optional: bool = False,
    ) -> None:
        self.name = ""
        self.default = default
        self.label = label
        self.help = help
        self.unit = unit
        self.group = group
        self.optional = optional or default is None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.label = self.label or name.replace("_", " ").capitalize()
        self.default = self.clean(self.default)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        return cast(T, vars(instance)[self.name])

    def __set__(self, instance: object, value: T | None) -> None:
        # Parameters are checked together (a fast window against a slow one), so they are set together, once.
        raise AttributeError(f"{self.name} is a parameter; make a new object to change it")

    def clean(self, value: object) -> T | None:
        """`value` checked and in its canonical Python type. Raises InputError with the path `name`."""
        if value is None:
            if self.optional:
                return None
            raise self.fault("required", f"{self.label} needs a value.", self.rule())
        return self._clean(value)

    def parse(self, text: str) -> T | None:
        """The value that `text` (a form field, a command-line option) stands for, cleaned. Empty text is None."""
        text = text.strip()
        return self.clean(self._parse(text) if text else None)

    def json(self, value: T | None) -> object:
        """A cleaned value as JSON holds it; `clean(json(value)) == value`."""
        return value

    def words(self, value: T | None) -> str:
        """A cleaned value, or its JSON form, as people read it, with its unit."""
        if value is None:
            return "off"
        return f"{self._words(value)} {self.unit}".strip()

    def declaration(self) -> dict[str, Any]:
        """JSON-ready description; keys that do not apply to the type are None."""
        return {
            "name": self.name,
            "type": self.type,
            "default": self.json(self.default),
            "min": None,
            "max": None,
            "step": None,
            "choices": None,
            "label": self.label,
            "help": self.help,
            "unit": self.unit,
            "group": self.group,
            "optional": self.optional,
        }

    def rule(self) -> str:
        """The allowed values in words; the hint of every fault."""
        raise NotImplementedError

    def fault(self, code: str, message: str, hint: str) -> InputError:
        return InputError(Fault(self.name, code, message, hint))

    def _clean(self, value: object) -> T:
        raise NotImplementedError

    def _parse(self, text: str) -> object:
        raise NotImplementedError

    def _words(self, value: Any) -> str:
        return str(self.json(value))


N = TypeVar("N", int, float)


class _NumberParam(Param[N]):
    """A number between `min` and `max`, both allowed. `step` guides form controls and sweeps; it refuses nothing."""

    def __init__(self, default: N | None, *, min: N, max: N, step: N | None = None, **kwargs: Any) -> None:
        super().__init__(default, **kwargs)
        self.min, self.max, self.step = min, max, step

    def rule(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        off = ", or leave it empty" if self.optional else ""
        return f"From {self.min:g} to {self.max:g}{unit}{off}."

    def declaration(self) -> dict[str, Any]:
        return super().declaration() | {"min": self.min, "max": self.max, "step": self.step}

    def _words(self, value: Any) -> str:
        return f"{value:,.10g}"

    def _finite(self, value: object) -> float | int:
        """A real number that is neither a boolean nor text nor NaN nor infinite."""
        if isinstance(value, bool) or not isinstance(value, Real):
            raise self.fault("not_a_number", f"{self.label} must be a number, not {shown(value)}.", self.rule())
        # Comparing a float with a huge int is exact in Python; converting that int to float would overflow.
        if isinstance(value, Integral):
            return int(value)
        number = float(value)
        if not math.isfinite(number):
            raise self.fault("not_a_finite_number", f"{self.label} must be a finite number.", self.rule())
        return number

    def _bounded(self, value: N) -> N:
        if not self.min <= value <= self.max:
            raise self.fault("out_of_range", f"{self.label} is {shown(value)}, which is out of range.", self.rule())
        return value

    def _parse(self, text: str) -> object:
        try:
            return float(text) if len(text) <= 40 else text
        except ValueError:
            return text


class IntParam(_NumberParam[int]):
    """A whole number. 10.0 is taken as 10, because JSON does not tell them apart."""

    type = "int"

    def __init__(self, default: int | None, *, min: int, max: int, step: int = 1, **kwargs: Any) -> None:
        super().__init__(default, min=min, max=max, step=step, **kwargs)

    def _clean(self, value: object) -> int:
        number = self._finite(value)
        if isinstance(number, float):
            if not number.is_integer():
                raise self.fault("wrong_type", f"{self.label} must be a whole number, not {shown(value)}.", self.rule())
            number = int(number)
        return self._bounded(number)


class FloatParam(_NumberParam[float]):
    """A finite number."""

    type = "float"

    def _clean(self, value: object) -> float:
        return float(self._bounded(cast(float, self._finite(value))))


class RatioParam(FloatParam):
    """A fraction: 0.05 is five percent."""

    type = "ratio"


class PctParam(FloatParam):
    """Percent: 5 is five percent."""

    type = "pct"

    def __init__(self, default: float | None, *, min: float, max: float, **kwargs: Any) -> None:
        super().__init__(default, min=min, max=max, **{"unit": "%", **kwargs})


class MoneyParam(FloatParam):
    """An amount in the account's currency."""

    type = "money"


class BoolParam(Param[bool]):
    """True or false, and nothing that merely looks like it."""

    type = "bool"

    def rule(self) -> str:
        return "true or false."

    def _words(self, value: Any) -> str:
        return "yes" if value else "no"

    def _clean(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.fault("wrong_type", f"{self.label} must be true or false, not {shown(value)}.", self.rule())
        return value

    def parse(self, text: str) -> bool | None:
        # A form sends nothing at all for an unticked box.
        return super().parse(text or "false")

    def _parse(self, text: str) -> object:
        return {
            "true": True,
            "on": True,
            "1": True,
            "yes": True,
            "false": False,
            "off": False,
            "0": False,
            "no": False,
        }.get(text.lower(), text)


class ChoiceParam(Param[str]):
    """One of a few words. `choices`: words, or (word, label) pairs."""

    type = "choice"

    def __init__(self, default: str | None, *, choices: Iterable[str | tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(default, **kwargs)
        pairs = [(c, c.replace("_", " ").capitalize()) if isinstance(c, str) else c for c in choices]
        self.choices: dict[str, str] = dict(pairs)

    def rule(self) -> str:
        return f"One of: {', '.join(self.choices)}."

    def declaration(self) -> dict[str, Any]:
        choices = [{"value": value, "label": label} for value, label in self.choices.items()]
        return super().declaration() | {"choices": choices}

    def _words(self, value: Any) -> str:
        return self.choices.get(value, value)

    def _clean(self, value: object) -> str:
        if not isinstance(value, str):
            raise self.fault("wrong_type", f"{self.label} must be a word, not {shown(value)}.", self.rule())
        if value not in self.choices:
            raise self.fault("unknown_choice", f"{self.label} cannot be {shown(value)}.", self.rule())
        return value

    def _parse(self, text: str) -> object:
        return text


class TimeParam(Param[datetime.time]):
    """A time of day, written HH:MM; in the exchange's own zone."""

    type = "time"
    _FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::00)?")

    def rule(self) -> str:
        return "HH:MM, from 00:00 to 23:59, in the exchange's time zone."

    def json(self, value: datetime.time | None) -> object:
        return value and value.strftime("%H:%M")

    def _words(self, value: Any) -> str:
        return value if isinstance(value, str) else value.strftime("%H:%M")

    def _clean(self, value: object) -> datetime.time:
        if isinstance(value, datetime.time) and value.tzinfo is None and not value.second and not value.microsecond:
            return value
        if not isinstance(value, str):
            raise self.fault("wrong_type", f"{self.label} must be a time of day, not {shown(value)}.", self.rule())
        found = self._FORM.fullmatch(value) if value.isascii() else None
        if not found:
            raise self.fault("not_a_time", f"{self.label} cannot be {shown(value)}.", self.rule())
        return datetime.time(int(found[1]), int(found[2]))

    def _parse(self, text: str) -> object:
        return text


class DaysParam(Param[tuple[str, ...]]):
    """A set of weekdays, written MON … SUN; kept in the week's order, each at most once."""

    type = "days"

    def rule(self) -> str:
        return f"A list of: {', '.join(WEEKDAYS)}."

    def declaration(self) -> dict[str, Any]:
        choices = [{"value": day, "label": day.capitalize()} for day in WEEKDAYS]
        return super().declaration() | {"choices": choices}

    def json(self, value: tuple[str, ...] | None) -> object:
        return None if value is None else list(value)

    def _words(self, value: Any) -> str:
        return ", ".join(day.capitalize() for day in value)

    def _clean(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self.fault("wrong_type", f"{self.label} must be a list of days, not {shown(value)}.", self.rule())
        unknown = [day for day in value if not isinstance(day, str) or day not in WEEKDAYS]
        if unknown:
            raise self.fault("unknown_choice", f"{self.label} cannot hold {shown(unknown[0])}.", self.rule())
        if not value:
            raise self.fault("required", f"{self.label} needs at least one day.", self.rule())
        return tuple(day for day in WEEKDAYS if day in value)

    def parse(self, text: str) -> tuple[str, ...] | None:
        # A form sends the ticked days; none ticked is an empty week, not a missing value.
        return self.clean([day.strip().upper() for day in text.split(",") if day.strip()])


def clean_all(params: Mapping[str, Param[Any]], raw: object) -> dict[str, Any]:
    """A cleaned value for every parameter, defaults where `raw` is silent.

    Raises InputError with every fault at once; a name that is not declared is a fault (`unknown_field`).
    """
    return _each(params, raw, lambda param, value: param.clean(value))


def parse_all(params: Mapping[str, Param[Any]], raw: Mapping[str, str]) -> dict[str, Any]:
    """`clean_all` for text values: a form's fields or a command line's ``name=value`` pairs."""
    return _each(params, raw, lambda param, value: param.parse(value))


def _each(params: Mapping[str, Param[Any]], raw: object, read: Any) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise InputError(Fault("", "wrong_type", f"Expected an object of names and values, not {shown(raw)}."))
    values: dict[str, Any] = {}
    faults = [
        Fault(shown(name, quote=False), "unknown_field", "There is no such parameter.", f"Known: {', '.join(params)}.")
        for name in raw
        if name not in params
    ]
    for name, param in params.items():
        if name not in raw:
            values[name] = param.default
            continue
        try:
            values[name] = read(param, raw[name])
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return values


def shown(value: object, *, quote: bool = True) -> str:
    """`value` for a message: short, printable, and safe for numbers of any length."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        # str() of an int above 4300 digits raises.
        return (
            str(value) if value.bit_length() <= 64 else f"a number of about {int(value.bit_length() * 0.30103)} digits"
        )
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:40])
        text += "…" if len(value) > 40 else ""
        return f"'{text}'" if quote else text
    return {dict: "an object", list: "a list"}.get(type(value), f"a {type(value).__name__}")
