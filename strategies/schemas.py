"""Declarations as OpenAPI 3.0 schemas, so that the API's document says exactly what is taken. Plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def object_schema(declarations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The schema of an object whose properties are the declared parameters, none of them required."""
    properties = {declared["name"]: value_schema(declared) for declared in declarations}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def value_schema(declared: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one parameter's value, from what `Param.declaration()` gives."""
    words = " ".join(part for part in (declared["help"], f"({declared['unit']})" if declared["unit"] else "") if part)
    schema: dict[str, Any] = {"title": declared["label"], "description": words, "default": declared["default"]}
    choices = [choice["value"] for choice in declared["choices"] or ()]
    match declared["type"]:
        case "int":
            schema |= {"type": "integer", "minimum": declared["min"], "maximum": declared["max"]}
        case "bool":
            schema |= {"type": "boolean"}
        case "choice":
            schema |= {"type": "string", "enum": choices + ([None] if declared["optional"] else [])}
        case "time":
            schema |= {"type": "string", "pattern": _TIME}
        case "conditions":
            schema |= {"type": "object"}
        case "members" | "validators":
            schema |= {"type": "array", "items": {"type": "object", "additionalProperties": True}}
        case "days":
            schema |= {"type": "array", "items": {"type": "string", "enum": choices}, "minItems": 1}
        case _:
            schema |= {"type": "number", "minimum": declared["min"], "maximum": declared["max"]}
    return schema | ({"nullable": True} if declared["optional"] else {})
