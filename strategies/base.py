"""What a strategy is: a declaration of parameters and a pure function from closed bars to signals.

Plain Python and NumPy. A strategy sees bars only, never positions, cash or the clock: stops, targets, sizing and
trading windows belong to the rules of a run (`engine.rules`).
"""

from __future__ import annotations

import datetime
import hashlib
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from strategies import needs as other_needs
from strategies.params import Param, clean_all, parse_all, shown

if TYPE_CHECKING:
    from engine import Bars

BUY, HOLD, SELL = 1, 0, -1
# Signals that close and never open: a long position, a short one, whichever there is.
EXIT_LONG, EXIT_SHORT, EXIT = -2, 2, -3
Action = Literal["BUY", "SELL", "HOLD"]
Exits = Literal["", "long", "short", "any"]
ACTIONS: dict[int, Action] = {
    BUY: "BUY",
    HOLD: "HOLD",
    SELL: "SELL",
    EXIT_LONG: "SELL",
    EXIT_SHORT: "BUY",
    EXIT: "SELL",
}
EXITS: dict[int, Exits] = {EXIT_LONG: "long", EXIT_SHORT: "short", EXIT: "any"}
_CODES: dict[tuple[str, str], int] = {(action, EXITS.get(code, "")): code for code, action in ACTIONS.items()}


@dataclass(frozen=True, slots=True)
class Signal:
    """A strategy's opinion on one closed bar.

    confidence: 0..1. px: the bar's close. reasoning: plain words. strategy: slug. metadata: parameters and the values
    the opinion was read from. ts: the bar's close, aware UTC; the signal can act from the next bar on.
    exits: which position it closes at most ("long", "short", "any"); "": it may open one too. terms: what it says to
    the engine beside its action, by the names of `engine.types.SIGNAL` (limit_px, target_weight, …).
    """

    symbol: str
    action: Action
    confidence: float
    px: float
    reasoning: str
    strategy: str
    ts: datetime.datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    exits: Exits = ""
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The action as `engine.types.SIGNAL` has it."""
        return code_of(self.action, self.exits)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; `ts` in ISO-8601 with a Z."""
        plain = asdict(self) | {"ts": self.ts.isoformat().replace("+00:00", "Z")}
        return plain | {"metadata": dict(self.metadata), "terms": dict(self.terms)}


class Line(NamedTuple):
    """How a chart names and places one of a strategy's lines: over the prices, or in a pane of its own."""

    label: str
    pane: Literal["price", "own"] = "price"


class Overlay(TypedDict):
    """One line for a chart. values: float64, one a bar, NaN before the first valid one."""

    name: str
    label: str
    pane: str
    values: NDArray[np.float64]


class Strategy:
    """Base of every strategy. A subclass gives `slug`, `label`, `kind`, parameters, `warmup()` and `signals()`.

    `kind` groups the catalogue (trend, arbitrage, benchmark …). `allows_short`: whether its SELL may open a short
    position where the settings allow shorting too. The docstring is the description users read. `listed`: whether it is
    offered by name; a strategy that a person builds is offered by what was built.
    `depends_on`: other modules that decide its signals too; they count in its version.
    `needs`: what it reads beside bars, by the names of `strategies.needs`; without it, it says nothing.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    kind: ClassVar[str]
    allows_short: bool = True
    listed: ClassVar[bool] = True
    depends_on: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    params: ClassVar[dict[str, Param[Any]]] = {}
    line_info: ClassVar[dict[str, Line]] = {}
    # Templates are handed the class, and would make one of it, which not every strategy lets itself be without values.
    do_not_call_in_templates: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Param)}
        cls.params = {**cls.params, **own}

    def __init__(self, **parameters: object) -> None:
        vars(self).update(self.clean(parameters))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={vars(self)[name]!r}" for name in self.params)
        return f"{type(self).__name__}({values})"

    # --- what a subclass answers ------------------------------------------------------------------------------------

    def warmup(self) -> int:
        """Bars needed, the deciding one counted, before a signal can appear: `signals()[: warmup() - 1]` is all 0."""
        raise NotImplementedError

    def bars_needed(self, timeframe: str, calendar: str) -> int:
        """Bars of that timeframe to have before the first decision; more than `warmup()` to read coarser ones."""
        return self.warmup()

    def timeframes(self) -> Iterable[str]:
        """Timeframes that it reads beside the one it runs on; they cannot be finer than that."""
        return ()

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        """BUY, SELL, HOLD or an exit, one a bar; the one at i uses bars[: i + 1] only. Too few bars: all 0."""
        raise NotImplementedError

    def extras(self) -> tuple[str, ...]:
        """Names of the series beside the prices that it reads (`engine.Bars.extras`); whoever runs it attaches them."""
        return ()

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        """The indicator values the decision is read from, by name; float64, one a bar, NaN where not yet known."""
        return {}

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        """0..1 for each bar; only read where there is a signal."""
        return np.ones(len(bars))

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        """One plain sentence for a bar; `at` has the bar's close and each line's value."""
        return f"{self.label} says {action}."

    def evidence(self, bars: Bars, places: list[int]) -> list[Any]:
        """What each of these bars' opinion rests on, in detail and JSON-ready; None where the sentence says it all."""
        return [None] * len(places)

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        """Faults that only several cleaned values together can have."""
        return ()

    # --- parameters -------------------------------------------------------------------------------------------------

    @classmethod
    def clean(cls, raw: object) -> dict[str, Any]:
        """Checked parameter values, defaults filled in. Raises InputError; paths are parameter names."""
        return cls._checked(clean_all(cls.params, raw))

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> dict[str, Any]:
        """`clean` for text values (forms, command line)."""
        return cls._checked(parse_all(cls.params, raw))

    @classmethod
    def _checked(cls, values: dict[str, Any]) -> dict[str, Any]:
        if faults := list(cls.check(values)):
            raise InputError(faults)
        return values

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameter values, JSON-ready."""
        return {name: param.json(vars(self)[name]) for name, param in self.params.items()}

    @classmethod
    def describe(cls) -> str:
        """The description users read: the docstring's paragraphs, each on one line."""
        paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    @classmethod
    def kind_label(cls) -> str:
        """The kind in words."""
        return cls.kind.replace("_", " ")

    @classmethod
    def unavailable(cls) -> str:
        """Why the platform cannot run it: what it needs and nobody has here; "" where it can."""
        return other_needs.unavailable(cls.needs)

    @classmethod
    def needed(cls) -> str:
        """Where what it reads beside bars comes from; "" where it reads bars only."""
        return other_needs.words(cls.needs)

    @classmethod
    def version(cls) -> str:
        """12 hex digits of everything that decides its signals: its module, its declaration, the indicators."""
        if "_version" not in vars(cls):
            declared = json.dumps([param.declaration() for param in cls.params.values()])
            seen = hashlib.sha256()
            others = (inspect.getsource(importlib.import_module(name)) for name in cls.depends_on)
            for part in (_source(cls), _indicator_source(), declared, *others):
                seen.update(part.encode())
            cls._version = seen.hexdigest()[:12]
        return cls._version

    @classmethod
    def declaration(cls) -> dict[str, Any]:
        """JSON-ready description for forms, the API and the docs."""
        return {
            "slug": cls.slug,
            "label": cls.label,
            "kind": cls.kind,
            "description": cls.describe(),
            "allows_short": cls.allows_short,
            "needs": list(cls.needs),
            "unavailable": cls.unavailable(),
            "version": cls.version(),
            "parameters": [param.declaration() for param in cls.params.values()],
            "least_symbols": 1,
            "most_symbols": None,
            "trades_together": False,
            "needs_short": False,
        }

    # --- what the platform reads ------------------------------------------------------------------------------------

    def scored_signals(self, bars: Bars) -> NDArray[np.void]:
        """The signals with their confidence, as the structured array `engine.simulate` takes."""
        from engine.types import SIGNAL

        scored = np.zeros(len(bars), SIGNAL)
        scored["action"] = self.signals(bars)
        scored["confidence"] = np.where(scored["action"] != HOLD, self.confidence(bars), 0.0)
        for name in (SIGNAL.names or ())[2:]:
            scored[name] = np.nan
        return scored

    def overlays(self, bars: Bars) -> list[Overlay]:
        """The lines as a chart draws them."""
        return [
            Overlay(name=name, label=self.line_info[name].label, pane=self.line_info[name].pane, values=values)
            for name, values in self.lines(bars).items()
        ]

    def explain(self, bars: Bars, i: int) -> Signal:
        """Why bar `i` (negative counts from the end) has the signal it has. Raises IndexError outside the bars."""
        return self._explained(bars, [range(len(bars))[i]])[0]

    def explain_bars(self, bars: Bars, places: list[int]) -> list[Signal]:
        """`explain` for many bars at once; places: their indexes."""
        return self._explained(bars, places)

    def generate_signals(self, bars: Bars) -> list[Signal]:
        """Every BUY and SELL of the series with its reasoning, in order of time."""
        return self._explained(bars, np.flatnonzero(self.signals(bars)).tolist())

    def _explained(self, bars: Bars, places: list[int]) -> list[Signal]:
        if not places:
            return []
        actions, confidence = self.signals(bars), self.confidence(bars)
        lines = {"close": bars.close, **self.lines(bars)}
        needed = self.warmup()
        signals = []
        for i, evidence in zip(places, self.evidence(bars, places), strict=True):
            code = int(actions[i])
            action = ACTIONS[code]
            at = {name: float(values[i]) for name, values in lines.items()}
            short = f"Not enough history: it needs {needed} bars and has {i + 1}."
            signals.append(
                Signal(
                    symbol=bars.symbol,
                    action=action,
                    confidence=0.0 if action == "HOLD" else float(confidence[i]),
                    px=at["close"],
                    reasoning=short if i + 1 < needed else self.reason(action, at),
                    strategy=self.slug,
                    ts=utc(int(bars.ts_close[i])),
                    metadata={
                        "parameters": self.parameters,
                        "values": {name: value for name, value in at.items() if np.isfinite(value)},
                    }
                    | ({} if evidence is None else {"evidence": evidence}),
                    exits=EXITS.get(code, ""),
                )
            )
        return signals


S = TypeVar("S", bound=type[Strategy])
_registry: dict[str, type[Strategy]] = {}
_SLUG = re.compile(r"[a-z][a-z0-9_]{1,39}")


def register(cls: S) -> S:
    """Class decorator: makes a strategy selectable by its slug. Raises ValueError on an incomplete declaration."""
    missing = [name for name in ("slug", "label", "kind") if not getattr(cls, name, "")]
    if missing or not cls.__doc__:
        raise ValueError(f"{cls.__name__} declares no {', '.join(missing) or 'docstring'}")
    if not _SLUG.fullmatch(cls.slug):
        raise ValueError(f"{cls.slug!r} is not a slug: lower case, digits and underscores, 2 to 40 characters")
    taken = _registry.get(cls.slug)
    if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"the slug {cls.slug!r} is taken by {taken.__module__}.{taken.__qualname__}")
    _registry[cls.slug] = cls
    return cls


def registered() -> dict[str, type[Strategy]]:
    """Every registered strategy by slug, in the order of registration. A copy."""
    return dict(_registry)


def find(slug: object) -> type[Strategy]:
    """The strategy of that slug; InputError (path ``strategy``) names the known ones otherwise."""
    found = _registry.get(slug) if isinstance(slug, str) else None
    if found is None:
        message = f"There is no strategy {shown(slug)}."
        raise InputError(Fault("strategy", "unknown_choice", message, f"One of: {', '.join(_registry)}."))
    return found


def code_of(action: str, exits: str = "") -> int:
    """The engine's code of an action and what it closes at most. Raises KeyError where no signal says that."""
    return _CODES[action, exits]


def votes(buy: NDArray[np.bool_], sell: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Signals from two conditions; where both hold they cancel out."""
    return np.subtract(buy, sell, dtype=np.int8)


def beyond(distance: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Confidence from how far a value lies past its threshold: 0.5 at the threshold, towards 1 far beyond it.

    distance / (distance + threshold), with distance ≥ 0; 1 where the threshold is 0, 0 where the distance is NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = distance / (distance + threshold)
    return np.clip(np.nan_to_num(share, nan=0.0), 0.0, 1.0)


def utc(ns: int) -> datetime.datetime:
    """Nanoseconds since 1970 as an aware datetime; exact to the microsecond."""
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=ns // 1000)


def _source(cls: type[Strategy]) -> str:
    try:
        return inspect.getsource(sys.modules[cls.__module__])
    except (OSError, TypeError):
        # Typed at a prompt: there is no file, but the compiled code tells one version from another.
        return cls.signals.__code__.co_code.hex() + repr(cls.signals.__code__.co_consts)


def _indicator_source() -> str:
    folder = Path(__file__).with_name("indicators")
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
