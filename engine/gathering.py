"""Which symbols have a signal, step by step: looked up for many steps at once, as most symbols have none."""

from __future__ import annotations

from typing import Any, Final

from engine.clock import bar_of
from engine.memory import feed_at, int8_at, int32_at, kernel, set_int32, settings_at, word_at, world_at

# Steps that are looked up at once: a cache line of each symbol's actions.
GATHERED_STEPS: Final = 64
_WORD: Final = 8  # actions that are read at once


@kernel
def signals_in(w: Any, row: Any) -> Any:
    """How many symbols have a signal in the step that stands in `row` of the lists."""
    return int32_at(world_at(w, 0).signal_counts, row)


@kernel
def list_signal(w: Any, row: Any, s: Any) -> None:
    world = world_at(w, 0)
    count = int32_at(world.signal_counts, row)
    set_int32(world.signalled, row * world.n_symbols + count, s)
    set_int32(world.signal_counts, row, count + 1)


@kernel
def gather_signals(w: Any, start: Any, stop: Any) -> Any:
    """List, in name order, the symbols with a signal in each of the steps from `start` on, a row of the lists a step.

    Ends before `stop`; the first step that is not in the lists. Where symbols have bars at different times only one
    step can be looked up, since only this one's bars are known.
    """
    world = world_at(w, 0)
    if settings_at(world.settings, 0).aligned == 0:
        set_int32(world.signal_counts, 0, 0)
        for s in range(world.n_symbols):
            i = bar_of(w, start, s)
            if i >= 0 and int8_at(feed_at(world.feed, s).action, i) != 0:
                list_signal(w, 0, s)
        return start + 1
    steps = min(stop - start, GATHERED_STEPS)
    for row in range(steps):
        set_int32(world.signal_counts, row, 0)
    for s in range(world.n_symbols):
        actions = feed_at(world.feed, s).action + start
        row = 0
        while row < steps:
            if row + _WORD <= steps and word_at(actions, row) == 0:
                row += _WORD
                continue
            for k in range(row, min(row + _WORD, steps)):
                if int8_at(actions, k) != 0:
                    list_signal(w, k, s)
            row += _WORD
    return start + steps
