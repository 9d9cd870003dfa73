"""The short form of a bot's rules, ``indicators{RSI{period, oversold, overbought}, …}``, as condition trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import Fault, InputError
from strategies import indicators
from strategies.conditions.guard import refuse_unreadable
from strategies.conditions.shapes import Operand, Tree
from strategies.params import FloatParam, Param, clean_all, shown

_ROOT = "indicators"


def _level(name: str, default: float) -> Param[Any]:
    param = FloatParam(default, min=0, max=100, help="Level of the indicator")
    param.__set_name__(object, name)
    return param


_LEVELS: dict[str, dict[str, Param[Any]]] = {
    "rsi": {"oversold": _level("oversold", 30), "overbought": _level("overbought", 70)},
    "stochastic": {"oversold": _level("oversold", 20), "overbought": _level("overbought", 80)},
}
# Indicators that have a rule, and names that people also write for them.
_RULES = ("rsi", "macd", "sma", "ema", "bollinger", "stochastic")
_SPELLINGS = {"bollinger_bands": "bollinger", "bollingerbands": "bollinger", "bb": "bollinger", "stoch": "stochastic"}


def from_indicators(sent: object) -> dict[str, Tree]:
    """{"buy": tree, "sell": tree} of a bot's indicators; each of them may buy, and each may sell.

    RSI and Stochastic buy below `oversold` and sell above `overbought`; MACD buys where it crosses above its signal
    line, SMA and EMA where the close crosses above them, Bollinger bands where the close is below the lower band; all
    sell mirrored. Names in small or capital letters; parameters as the registry has them. Raises InputError with the
    paths of what was sent: ``indicators.RSI.period``.
    """
    refuse_unreadable(sent, _ROOT)
    if not isinstance(sent, Mapping):
        hint = 'Write {"RSI": {"period": 14, "oversold": 30, "overbought": 70}}.'
        raise InputError(Fault(_ROOT, "wrong_type", f"Expected an object of indicators, not {shown(sent)}.", hint))
    if not sent:
        raise InputError(Fault(_ROOT, "required", "There is no indicator in it.", f"Give one of: {_known()}."))
    faults: list[Fault] = []
    read: dict[str, tuple[Tree, Tree]] = {}
    for name, given in sent.items():
        path = f"{_ROOT}.{shown(name, quote=False)}"
        rule = _SPELLINGS.get(name.lower(), name.lower())
        if rule in read:
            faults.append(Fault(path, "conflict", f"{rule.upper()} stands here twice.", "Keep one of them."))
            continue
        try:
            read[rule] = _pair(rule, {} if given is None else given)
        except InputError as error:
            faults += error.under(path).faults
    if faults:
        raise InputError(faults)
    return {"buy": _any([buy for buy, _ in read.values()]), "sell": _any([sell for _, sell in read.values()])}


def _pair(rule: str, given: object) -> tuple[Tree, Tree]:
    """(buys where, sells where) of one indicator; paths of faults are its parameters."""
    if rule not in _RULES:
        message = "There is no rule for this indicator."
        raise InputError(Fault("", "unknown_choice", message, f"One of: {_known()}. Others go into a condition tree."))
    declared = indicators.get(rule)
    values = clean_all({**declared.params, **_LEVELS.get(rule, {})}, given)
    plain = {name: param.json(values[name]) for name, param in declared.params.items()}

    def line(output: str) -> Operand:
        return {"indicator": rule, **plain, **({"output": output} if len(declared.outputs) > 1 else {})}

    close: Operand = {"price": "close"}
    if rule in _LEVELS:
        low, high = values["oversold"], values["overbought"]
        if low >= high:
            message = f"Oversold ({low:g}) must be below overbought ({high:g})."
            raise InputError(Fault("oversold", "conflict", message, f"Below {high:g}."))
        left = line(declared.outputs[0])
        return _compare(left, "below", _constant(low)), _compare(left, "above", _constant(high))
    if rule == "macd":
        if values["fast"] >= values["slow"]:
            message = f"The fast period ({values['fast']}) must be shorter than the slow one ({values['slow']})."
            raise InputError(Fault("fast", "conflict", message, f"Below {values['slow']}."))
        return tuple(_compare(line("macd"), f"crosses_{way}", line("signal")) for way in ("above", "below"))
    if rule == "bollinger":
        return _compare(close, "below", line("lower")), _compare(close, "above", line("upper"))
    return tuple(_compare(close, f"crosses_{way}", line(rule)) for way in ("above", "below"))


def _compare(left: Operand, condition: str, right: Operand) -> Tree:
    return {"type": "compare", "left": left, "condition": condition, "right": right}


def _constant(number: float) -> Operand:
    return {"value": int(number) if number.is_integer() else number}


def _any(trees: list[Tree]) -> Tree:
    return trees[0] if len(trees) == 1 else {"type": "or", "children": trees}


def _known() -> str:
    return ", ".join(name.upper() if len(name) <= 4 else name.capitalize() for name in _RULES)
