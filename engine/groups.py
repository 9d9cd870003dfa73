"""Groups of symbols whose entries of one step are one trade, checked: the argument `legs` of the public calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.errors import Fault, InputError

Legs = Sequence[Sequence[str]]


def read_groups(legs: Legs, symbols: Sequence[str]) -> list[int]:
    """The number of each symbol's group, from 1 on; 0 = none. Raises InputError: a symbol that is not traded, or is in
    two groups."""
    if isinstance(legs, str) or not isinstance(legs, Iterable):
        raise InputError(Fault("legs", "wrong_type", "must be a list of groups of symbols", 'such as [["A", "B"]]'))
    numbers = dict.fromkeys(symbols, 0)
    faults = []
    for k, group in enumerate(legs):
        if isinstance(group, str) or not isinstance(group, Iterable):
            faults.append(Fault(f"legs[{k}]", "wrong_type", "must be a list of symbols", 'such as ["A", "B"]'))
            continue
        for i, symbol in enumerate(group):
            path = f"legs[{k}][{i}]"
            if not isinstance(symbol, str) or symbol not in numbers:
                faults.append(Fault(path, "unknown_field", f"{symbol!r} is not traded here", ", ".join(symbols)))
            elif numbers[symbol]:
                faults.append(Fault(path, "conflict", f"{symbol!r} is a leg already", "one group a symbol"))
            else:
                numbers[symbol] = k + 1
    if faults:
        raise InputError(faults)
    return list(numbers.values())
