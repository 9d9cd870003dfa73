"""Splits and dividends as vendors tell them, in the shape that the store keeps: one of each kind a day."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date

from marketdata.adjust import Action
from marketdata.providers.base import ProviderError


def one_a_day(actions: Iterable[Action]) -> list[Action]:
    """By ex-date. Two splits of one day multiply, two dividends of one day (a special one beside the regular) add up.

    Splits of 1 and dividends of 0 are none. Raises ProviderError for one that cannot be.
    """
    splits: dict[date, float] = {}
    dividends: dict[date, float] = {}
    for action in actions:
        number = action.split if action.split is not None else action.dividend
        if number is None or not math.isfinite(number) or number < 0 or action.split == 0:
            raise ProviderError(f"a split or dividend of {action.ex_date} cannot be", retryable=False)
        if action.split is not None:
            splits[action.ex_date] = splits.get(action.ex_date, 1.0) * number
        else:
            dividends[action.ex_date] = dividends.get(action.ex_date, 0.0) + number
    found = [Action(day, split=ratio) for day, ratio in splits.items() if ratio != 1.0]
    found += [Action(day, dividend=round(amount, 6)) for day, amount in dividends.items() if round(amount, 6) > 0]
    return sorted(found, key=lambda action: action.ex_date)
