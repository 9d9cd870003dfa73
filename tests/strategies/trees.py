"""Condition trees and custom strategies for tests."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from strategies.models import CustomStrategy
from strategies.services import custom


def compare(left: dict[str, Any], condition: str, right: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "compare", "left": left, "condition": condition, "right": right, **more}


_SMA = {"indicator": "sma", "period": 20, "source": "close"}
# In their canonical form.
RSI_LOW = compare({"indicator": "rsi", "period": 14}, "below", {"value": 35})
RSI_HIGH = compare({"indicator": "rsi", "period": 14}, "above", {"value": 60})
ABOVE_SMA = compare({"price": "close"}, "above", _SMA)
UP_CROSS = compare({"price": "close"}, "crosses_above", _SMA)
DOWN_CROSS = compare({"price": "close"}, "crosses_below", _SMA)
BODY = {"name": "Low RSI", "buy_conditions": RSI_LOW, "sell_conditions": RSI_HIGH}


def make_custom(owner: User, name: str = "Mine", **fields: Any) -> CustomStrategy:
    """A custom strategy as a service saved it once its owner's tier allowed that, checked with this outcome."""
    state = fields.pop("check_state", CustomStrategy.Check.OK)
    trees = custom.trees({"buy_conditions": RSI_LOW, "sell_conditions": RSI_HIGH, **fields})
    columns = {f"{tree}_conditions": value for tree, value in trees.items()}
    rest = {key: value for key, value in fields.items() if key not in columns}
    return CustomStrategy.objects.create(owner=owner, name=name, check_state=state, **columns, **rest)
