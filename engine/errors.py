"""What is wrong with an input, said so that the person who sent it can mend it.

Plain Python, so that the engine, the strategy catalogue and the web layer report faults in one shape. The web layer
turns an `InputError` into a 400 answer with the same fields (see `tradingsite.lib.errors`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input.

    path: where it stands, as the sender wrote it: ``strategy_parameters.window``, ``symbols[2]``, ``row 14, high``.
    code: a stable snake_case word for programs, e.g. ``out_of_range``, ``unknown_field``, ``not_a_finite_number``.
    message: what is wrong, with the value that was sent.
    hint: what to do about it (allowed values, the nearest legal value); may be empty.
    """

    path: str
    code: str
    message: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class InputError(ValueError):
    """An input was refused; nothing was done. Carries every fault found, not only the first."""

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        if not self.faults:
            raise ValueError("InputError needs at least one fault")
        super().__init__("; ".join(f"{f.path}: {f.message}" if f.path else f.message for f in self.faults))

    def under(self, prefix: str) -> InputError:
        """The same faults, each path put under `prefix` (``window`` → ``strategy_parameters.window``)."""
        return InputError(
            Fault(f"{prefix}.{f.path}" if f.path else prefix, f.code, f.message, f.hint) for f in self.faults
        )
