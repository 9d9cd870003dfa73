"""From what somebody sent to the one canonical form of a tree, or to every fault in it with its path."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from engine.errors import Fault, InputError
from strategies import indicators
from strategies.conditions import shapes
from strategies.conditions.guard import refuse_unreadable, too_deep, too_large
from strategies.conditions.shapes import Operand, Tree
from strategies.params import clean_all, shown
from tradingsite.lib import strict_json

V = TypeVar("V")
_NODE_HINT = "One of: and, or, not, compare, indicator."
_OPERAND_HINT = 'Write {"indicator": "rsi", "period": 14}, {"price": "close"} or {"value": 30}.'


def parse(text: bytes | str, path: str = "$") -> Tree:
    """`clean` of JSON text; its length is checked before anything is read. Raises InputError."""
    size = len(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else len(text)
    if size > shapes.MAX_BYTES:
        message = f"has {size:,} bytes"
        raise InputError(Fault(path, "tree_too_large", message, f"At most {shapes.MAX_BYTES:,} bytes."))
    return clean(strict_json.loads(text, max_depth=shapes.MAX_JSON_DEPTH, root=path), path)


def clean(raw: object, path: str = "$") -> Tree:
    """The canonical form of a tree: `docs/conditions.md`. Cleaning it again gives it again.

    raw: JSON-like values; one node, or a list of nodes that must all hold. path: what the paths of faults begin with.
    Raises InputError with the first 20 faults.
    """
    refuse_unreadable(raw, path)
    cleaner = _Cleaner()
    try:
        tree = cleaner.root(raw, path)
    except _Enough:
        tree = None
    if cleaner.faults or tree is None:
        raise InputError(cleaner.faults)
    return tree


class _Enough(Exception):
    """No further faults are wanted."""


class _Cleaner:
    """One cleaning: the faults so far and the nodes so far. What cannot be read is None, and has left a fault."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.nodes = 0

    def fault(self, path: str, code: str, message: str, hint: str = "") -> None:
        self.keep(Fault(path, code, message, hint))

    def keep(self, *faults: Fault) -> None:
        for fault in faults:
            self.faults.append(fault)
            if len(self.faults) == shapes.MAX_FAULTS:
                raise _Enough

    # --- nodes ------------------------------------------------------------------------------------------------------

    def root(self, raw: object, path: str) -> Tree | None:
        if not isinstance(raw, (list, tuple)):
            return self.node(raw, path, 1)
        if len(raw) == 1:
            return self.node(raw[0], f"{path}[0]", 1)
        if not raw:
            self.fault(path, "required", "There is no condition in it.", "Give at least one condition.")
            return None
        self.count(path, 1)
        children = [self.node(child, f"{path}[{i}]", 2) for i, child in enumerate(raw)]
        return {"type": "and", "children": children}

    def node(self, raw: object, path: str, level: int) -> Tree | None:
        fields = self.object(raw, path, "A condition", _NODE_HINT)
        if fields is None:
            return None
        self.count(path, level)
        kind = self.word(fields, "type", path, (*shapes.GROUPS, "compare", "indicator"))
        if kind in shapes.GROUPS:
            return self.group(fields, kind, path, level)
        if kind == "compare":
            return self.compare(fields, path)
        return self.short(fields, path) if kind == "indicator" else None

    def count(self, path: str, level: int) -> None:
        self.nodes += 1
        if self.nodes > shapes.MAX_NODES:
            self.keep(too_large(path))
            raise _Enough
        if level > shapes.MAX_DEPTH:
            self.keep(too_deep(path))
            raise _Enough

    def group(self, fields: Mapping[str, Any], kind: str, path: str, level: int) -> Tree | None:
        self.refuse_unknown(fields, shapes.GROUP_FIELDS, path)
        children = fields.get("children")
        at = f"{path}.children"
        if not isinstance(children, (list, tuple)):
            code = "required" if children is None else "wrong_type"
            self.fault(at, code, f"A group needs a list of conditions, not {shown(children)}.", "Write [ … ].")
            return None
        if not children:
            self.fault(at, "required", f"The group {kind!r} has no condition in it.", "Add one, or remove the group.")
        cleaned = [self.node(child, f"{at}[{i}]", level + 1) for i, child in enumerate(children)]
        return {"type": kind, "children": cleaned} | self.held(fields, path)

    def compare(self, fields: Mapping[str, Any], path: str) -> Tree | None:
        self.refuse_unknown(fields, shapes.COMPARE_FIELDS, path)
        condition = self.word(fields, "condition", path, shapes.CONDITIONS)
        left = self.needed(fields, "left", path)
        if condition is None:
            return None
        wanted = {"between": ("low", "high"), "rising": (), "falling": ()}.get(condition, ("right",))
        others = {name: self.needed(fields, name, path) for name in wanted}
        unused = [name for name in ("right", "low", "high") if name in fields and name not in wanted]
        for name in unused:
            hint = f"It takes {' and '.join(wanted) or 'bars'}."
            self.fault(f"{path}.{name}", "unknown_field", f"{condition!r} has no {name!r}.", hint)
        return self.finished(fields, path, left, condition, others, {name: f"{path}.{name}" for name in others})

    def short(self, fields: Mapping[str, Any], path: str) -> Tree | None:
        """The short form: {"type": "indicator", "indicator": {"type": "RSI", "period": 14, "condition": …}}."""
        self.refuse_unknown(fields, ("type", "indicator", "for_bars"), path)
        at = f"{path}.indicator"
        inner = self.object(fields.get("indicator"), at, "It", 'Write {"type": "RSI", "period": 14, "condition": …}.')
        if inner is None:
            return None
        condition = self.word(inner, "condition", at, shapes.CONDITIONS)
        left = self.indicator(inner, at, "type", reserved=shapes.SHORT_FIELDS)
        if condition is None:
            return None
        given = [name for name in ("value", "indicator", "price") if name in inner]
        wanted = 0 if condition in shapes.MOVES else 1
        others: dict[str, Operand | None] = {}
        if len(given) != wanted:
            what = "value, indicator or price" if condition != "between" else "value"
            code, hint = ("required", f"Give one of: {what}.") if wanted else ("unknown_field", "It takes bars only.")
            self.fault(f"{at}.{given[-1]}" if given else at, code, f"{condition!r} has {len(given)} of: {what}.", hint)
            return None
        paths = {}
        if condition == "between":
            bounds = inner.get("value")
            if not isinstance(bounds, (list, tuple)) or len(bounds) != 2:
                self.fault(f"{at}.value", "wrong_type", "between needs two numbers.", "Write [low, high].")
                return None
            for i, name in enumerate(("low", "high")):
                paths[name] = f"{at}.value[{i}]"
                others[name] = self.constant(bounds[i], paths[name])
        elif given:
            paths["right"] = f"{at}.{given[0]}"
            others["right"] = self.short_right(given[0], inner[given[0]], paths["right"])
        if "for_bars" in inner and "for_bars" in fields:
            self.fault(f"{at}.for_bars", "conflict", "for_bars stands twice.", "Keep one of them.")
        return self.finished({**inner, **fields}, path, left, condition, others, paths, inner_path=at)

    def short_right(self, kind: str, raw: object, path: str) -> Operand | None:
        if kind == "value":
            return self.constant(raw, path)
        if kind == "price":
            return self.attempt(path, lambda: {"price": self.price(raw, path)})
        fields = self.object(raw, path, "It", _OPERAND_HINT)
        if fields is None:
            return None
        key = "type" if "type" in fields else "indicator"
        return self.indicator(fields, path, key, reserved=(key, *shapes.OPERAND_FIELDS[1:]))

    def finished(
        self,
        fields: Mapping[str, Any],
        path: str,
        left: Operand | None,
        condition: str,
        others: Mapping[str, Operand | None],
        paths: Mapping[str, str],
        *,
        inner_path: str = "",
    ) -> Tree:
        """A comparison of cleaned operands; refuses those that would be the same on every bar."""
        node: Tree = {"type": "compare", "left": left, "condition": condition, **others}
        at = inner_path or path
        if condition in shapes.MOVES:
            node["bars"] = self.whole(fields, "bars", at, default=1)
            if left is not None and "value" in left:
                self.fault(f"{path}.left", "conflict", "A number neither rises nor falls.", _OPERAND_HINT)
        elif "bars" in fields:
            self.fault(f"{at}.bars", "unknown_field", f"{condition!r} has no 'bars'.", "Only rising and falling have.")
        elif left is not None and None not in others.values():
            self.refuse_constant(left, condition, others, paths)
        return node | self.held(fields, at if "for_bars" in fields and inner_path else path)

    def refuse_constant(
        self, left: Operand, condition: str, others: Mapping[str, Operand | None], paths: Mapping[str, str]
    ) -> None:
        numbers = [other["value"] for other in others.values() if other is not None and "value" in other]
        name = next(iter(others))
        if "value" in left and len(numbers) == len(others):
            message = "It compares numbers with each other: it would be the same on every bar."
            self.fault(paths[name], "conflict", message, "Let one side be an indicator or a price.")
        elif left == others[name] and condition != "between":
            message = "It compares something with itself: it would be the same on every bar."
            self.fault(paths[name], "conflict", message, "Let the two sides differ.")
        elif condition == "between" and len(numbers) == 2 and numbers[0] > numbers[1]:
            message = f"The low bound {numbers[0]:g} is above the high one {numbers[1]:g}."
            self.fault(paths["low"], "conflict", message, f"At most {numbers[1]:g}.")

    # --- operands ---------------------------------------------------------------------------------------------------

    def needed(self, fields: Mapping[str, Any], name: str, path: str) -> Operand | None:
        at = f"{path}.{name}"
        if fields.get(name) is None:
            self.fault(at, "required", f"The comparison needs {name!r}.", _OPERAND_HINT)
            return None
        return self.operand(fields[name], at)

    def operand(self, raw: object, path: str) -> Operand | None:
        fields = self.object(raw, path, "An operand", _OPERAND_HINT)
        if fields is None:
            return None
        kinds = [name for name in ("indicator", "price", "value") if name in fields]
        if len(kinds) != 1:
            code = "conflict" if kinds else "required"
            self.fault(path, code, "An operand is one indicator, one price or one number.", _OPERAND_HINT)
            return None
        if kinds == ["value"]:
            self.refuse_unknown(fields, ("value",), path)
            return self.constant(fields["value"], f"{path}.value")
        if kinds == ["price"]:
            self.refuse_unknown(fields, ("price", "timeframe", "bars_ago"), path)
            price = self.attempt(path, lambda: self.price(fields["price"], f"{path}.price"))
            placed = self.placed(fields, path)
            return None if price is None else {"price": price} | placed
        return self.indicator(fields, path, "indicator", reserved=shapes.OPERAND_FIELDS)

    def indicator(self, fields: Mapping[str, Any], path: str, key: str, *, reserved: tuple[str, ...]) -> Operand | None:
        """key: the field that names it. reserved: fields that are none of its parameters."""
        found = self.known(fields.get(key), f"{path}.{key}")
        placed = self.placed(fields, path)
        if found is None:
            return None
        given = {field: value for field, value in fields.items() if field not in reserved}
        values = self.attempt(path, lambda: clean_all(found.params, given))
        output = found.outputs[0]
        if fields.get("output") is not None:
            output = self.word(fields, "output", path, found.outputs) or output
        if values is None:
            return None
        plain = {field: param.json(values[field]) for field, param in found.params.items()}
        chosen = {"output": output} if len(found.outputs) > 1 else {}
        return {"indicator": found.name, **plain, **chosen, **placed}

    def known(self, name: object, path: str) -> indicators.Indicator | None:
        hint = f"One of: {', '.join(indicator.name for indicator in indicators.all())}."
        if name is None:
            self.fault(path, "required", "The indicator has no name.", hint)
            return None
        try:
            return indicators.get(name.lower() if isinstance(name, str) else name)
        except InputError as error:
            self.fault(path, error.faults[0].code, error.faults[0].message, hint)
            return None

    def constant(self, raw: object, path: str) -> Operand | None:
        return self.attempt(path, lambda: {"value": _number(raw, path)})

    def price(self, raw: object, path: str) -> str:
        if not isinstance(raw, str) or raw not in shapes.PRICES:
            code = "unknown_choice" if isinstance(raw, str) else "wrong_type"
            message = f"There is no price {shown(raw)}."
            raise InputError(Fault(path, code, message, f"One of: {', '.join(shapes.PRICES)}."))
        return raw

    def placed(self, fields: Mapping[str, Any], path: str) -> Operand:
        """On which timeframe and how many of its bars ago; nothing where it is this bar."""
        placed: Operand = {}
        if fields.get("timeframe") is not None and (
            timeframe := self.word(fields, "timeframe", path, shapes.TIMEFRAME_NAMES)
        ):
            placed["timeframe"] = timeframe
        if ago := self.whole(fields, "bars_ago", path, default=0, least=0):
            placed["bars_ago"] = ago
        return placed

    # --- single fields ----------------------------------------------------------------------------------------------

    def attempt(self, path: str, read: Callable[[], V]) -> V | None:
        """`read()`; None where it refuses. Faults without the path of the tree get it."""
        try:
            return read()
        except InputError as error:
            self.keep(*(f if f.path.startswith(path) else _under(f, path) for f in error.faults))
            return None

    def object(self, raw: object, path: str, what: str, hint: str) -> Mapping[str, Any] | None:
        if isinstance(raw, Mapping):
            return raw
        code = "required" if raw is None else "wrong_type"
        self.fault(path, code, f"{what} must be an object, not {shown(raw)}.", hint)
        return None

    def word(self, fields: Mapping[str, Any], name: str, path: str, choices: tuple[str, ...]) -> str | None:
        value = fields.get(name)
        if isinstance(value, str) and value in choices:
            return value
        code = "required" if value is None else "unknown_choice" if isinstance(value, str) else "wrong_type"
        message = f"{name!r} is missing." if value is None else f"{name!r} cannot be {shown(value)}."
        self.fault(f"{path}.{name}", code, message, f"One of: {', '.join(choices)}.")
        return None

    def whole(self, fields: Mapping[str, Any], name: str, path: str, *, default: int, least: int = 1) -> int:
        value = fields.get(name)
        if value is None:
            return default
        at, hint = f"{path}.{name}", f"A whole number from {least} to {shapes.MAX_BARS:,}."
        number = self.attempt(at, lambda: _number(value, at))
        if number is None:
            return default
        if number != int(number):
            self.fault(at, "wrong_type", f"{name!r} must be a whole number, not {shown(value)}.", hint)
        elif not least <= number <= shapes.MAX_BARS:
            self.fault(at, "out_of_range", f"{name!r} is {shown(value)}, which is out of range.", hint)
        else:
            return int(number)
        return default

    def held(self, fields: Mapping[str, Any], path: str) -> Tree:
        count = self.whole(fields, "for_bars", path, default=1)
        return {"for_bars": count} if count > 1 else {}

    def refuse_unknown(self, fields: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
        for name in fields:
            if name not in known:
                hint = f"Known: {', '.join(known)}."
                self.fault(f"{path}.{shown(name, quote=False)}", "unknown_field", "There is no such field.", hint)


def _under(fault: Fault, path: str) -> Fault:
    return Fault(f"{path}.{fault.path}" if fault.path else path, fault.code, fault.message, fault.hint)


def _number(value: object, path: str) -> int | float:
    """A finite number; whole ones as int, so that 30 and 30.0 are one."""
    hint = f"A number from {-shapes.MAX_NUMBER:g} to {shapes.MAX_NUMBER:g}."
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        code = "not_a_finite_number" if isinstance(value, str) and _spells_no_number(value) else "not_a_number"
        raise InputError(Fault(path, code, f"It must be a number, not {shown(value)}.", hint))
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(Fault(path, "not_a_finite_number", "It must be a finite number.", hint))
    if not -shapes.MAX_NUMBER <= value <= shapes.MAX_NUMBER:
        code = "not_a_finite_number" if isinstance(value, int) and value.bit_length() > 1_024 else "out_of_range"
        raise InputError(Fault(path, code, f"It is {shown(value)}, which is out of range.", hint))
    return int(value) if value == int(value) else float(value)


def _spells_no_number(text: str) -> bool:
    return text.strip().lower().lstrip("+-") in ("nan", "inf", "infinity")
