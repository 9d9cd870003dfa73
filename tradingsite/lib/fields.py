"""Serializers that take exactly what they declare.

REST framework's own fields turn "5" into 5, true into 1.0 and 5 into "5", and its serializers drop what they do not
know. Here a wrong type is a fault and so is an unknown field: a misspelt setting must never run as its default.

Use `StrictSerializer` (and the `Strict…` fields) for JSON bodies, `QuerySerializer` (and REST framework's own fields)
for query parameters, whose values are always text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from tradingsite.lib.parsers import check_texts


class RefuseUnknown:
    """Serializer mixin: a field that is not declared, or that may only be read, is a fault (``unknown_field``)."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": ["Must be an object."]}, code="wrong_type")
        known = [name for name, field in self.fields.items() if not field.read_only]  # type: ignore[attr-defined]
        unknown = [name for name in data if name not in known]
        if unknown:
            text = f"unknown field. Known: {', '.join(known) or 'none'}."
            raise serializers.ValidationError(dict.fromkeys(unknown[:10], text), code="unknown_field")
        return super().to_internal_value(data)  # type: ignore[misc]


class StrictIntegerField(serializers.IntegerField):
    """A JSON whole number: not text, not true or false, not 5.0. 64 bits unless narrower bounds are given."""

    default_error_messages = {"wrong_type": "Must be a whole number.", "not_a_number": "Must be a whole number."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", -(2**63))
        kwargs.setdefault("max_value", 2**63 - 1)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("wrong_type" if isinstance(data, (bool, dict, list)) else "not_a_number")
        return data


class StrictFloatField(serializers.FloatField):
    """A finite JSON number: not text, not true or false."""

    default_error_messages = {
        "wrong_type": "Must be a number.",
        "not_a_number": "Must be a number.",
        "not_a_finite_number": "Must be a finite number.",
    }

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, (int, float)):
            self.fail("wrong_type" if isinstance(data, (bool, dict, list)) else "not_a_number")
        value = float(data)
        if not math.isfinite(value):
            self.fail("not_a_finite_number")
        return value


class StrictBooleanField(serializers.BooleanField):
    """JSON true or false, not 1, not "yes"."""

    default_error_messages = {"wrong_type": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("wrong_type")
        return data


class StrictCharField(serializers.CharField):
    """JSON text. Set `max_length`: a field without one takes what the body limit allows."""

    default_error_messages = {"wrong_type": "Must be text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("wrong_type")
        return super().to_internal_value(data)


class StrictChoiceField(serializers.ChoiceField):
    """One of the named choices; the fault names them."""

    default_error_messages = {"wrong_type": "Must be text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("wrong_type")
        if data not in self.choice_strings_to_values or data == "":
            names = ", ".join(self.choice_strings_to_values)
            raise serializers.ValidationError(f"{data!r:.60} is not one of: {names}.", code="unknown_choice")
        return self.choice_strings_to_values[data]


class StrictSerializer(RefuseUnknown, serializers.Serializer):
    """Base of every serializer that reads a JSON body."""


class QuerySerializer(RefuseUnknown, serializers.Serializer):
    """Base of a route's query parameters: an unknown or repeated one is a fault. Paging's own names always pass."""

    ignored = ("page", "limit")

    def to_internal_value(self, data: Any) -> Any:
        check_texts(data)
        repeated = [name for name, texts in data.lists() if len(texts) > 1]
        if repeated:
            raise serializers.ValidationError(dict.fromkeys(repeated[:10], "stands here twice."), code="duplicate_key")
        plain = {name: data[name] for name in data if name in self.fields or name not in self.ignored}
        return super().to_internal_value(plain)
