"""The ensemble as a strategy."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import (
    BUY,
    EXIT,
    EXIT_LONG,
    EXIT_SHORT,
    SELL,
    Action,
    Line,
    Overlay,
    Strategy,
    register,
    registered,
)
from strategies.ensemble import words
from strategies.ensemble.asking import Answer, ask_all
from strategies.ensemble.calibration import Calibrated, calibrate
from strategies.ensemble.members import Member, MembersParam, enabled_ones
from strategies.ensemble.validators import Validator, ValidatorsParam, build
from strategies.ensemble.voting import VOTES, Tally, fires, shares, speaks_for, tally
from strategies.params import BoolParam, ChoiceParam, IntParam, RatioParam
from strategies.timeframes import base_bars

if TYPE_CHECKING:
    from engine import Bars

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything an ensemble worked out on a series; arrays of one value a bar.

    passes: by side, whether the validators let an entry through. sure: whether its confidence is enough. fired: bars
    that signal. signals: what they say. series: each validator's values, in the validators' order.
    """

    answers: list[Answer]
    tally: Tally
    calibrated: Calibrated | None
    confidence: Floats
    series: list[dict[str, Floats]]
    passes: dict[int, NDArray[np.bool_]]
    sure: NDArray[np.bool_]
    fired: NDArray[np.bool_]
    signals: NDArray[np.int8]


@register
class Ensemble(Strategy):
    """Asks several strategies and does what enough of them agree on.

    Each member's last opinion counts for a number of bars. The members vote by weight, by majority, all together or any
    of them; their confidence is combined, and may be calibrated on what became of earlier signals. Validators look at
    the market itself and may refuse an entry; an exit is never refused.
    """

    slug, label, kind = "ensemble", "Ensemble", "ensemble"
    listed = False
    members = MembersParam(None, help="The strategies that vote")
    vote = ChoiceParam(
        "weighted", choices=VOTES.items(), label="Agreement", help="What counts as agreement", group="Vote"
    )
    threshold = RatioParam(
        0.5,
        min=0,
        max=1,
        step=0.05,
        help="Share of the weight that must say the same; other kinds of agreement do not ask for it",
        group="Vote",
    )
    strategy_weight_balance = RatioParam(
        1.0,
        min=0,
        max=1,
        step=0.05,
        label="Weight balance",
        help="1: the weights as given. 0: all members count the same. Between: a blend of the two",
        group="Vote",
    )
    hold_for_bars = IntParam(
        3,
        min=1,
        max=500,
        unit="bars",
        label="An opinion counts for",
        help="Bars of the member's own timeframe, the one it was said on counted",
        group="Vote",
    )
    min_confidence = RatioParam(
        0.0,
        min=0,
        max=1,
        step=0.05,
        label="Least confidence",
        help="Entries below it are passed over",
        group="Confidence",
    )
    calibrate = ChoiceParam(
        "none",
        choices=[("none", "As voted"), ("history", "By how often it was right")],
        label="Confidence",
        help="As voted, or the share of earlier signals of such a confidence that were right",
        group="Confidence",
    )
    calibration_horizon = IntParam(
        10, min=1, max=500, unit="bars", label="Right after", help="When a signal's outcome is read", group="Confidence"
    )
    calibration_bars = IntParam(
        1_000,
        min=20,
        max=10_000,
        unit="bars",
        label="Looks back",
        help="When an outcome must have been known",
        group="Confidence",
    )
    calibration_floor = IntParam(
        30,
        min=5,
        max=1_000,
        label="Least outcomes",
        help="With fewer the confidence stays as voted",
        group="Confidence",
    )
    validator_enabled = BoolParam(True, label="Ask the validators", help="Off: every entry passes", group="Validators")
    validators = ValidatorsParam((), help="What every entry must pass", group="Validators")

    def __init__(self, **parameters: object) -> None:
        super().__init__(**parameters)
        self._members = [Member.of(entry) for entry in enabled_ones(self.members)]
        self._shares = shares([member.weight for member in self._members], self.strategy_weight_balance)
        asked = self.validators if self.validator_enabled else ()
        self._validators = [validator for validator in map(build, asked) if validator.enabled]
        self.allows_short = any(member.opens_short for member in self._members)
        self.needs = tuple(dict.fromkeys(need for member in self._members for need in member.strategy.needs))
        self._read: tuple[Bars, Reading] | None = None

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        if values["members"] is None:
            yield Fault("members", "required", "An ensemble needs members.", cls.members.rule())
        elif not enabled_ones(values["members"]):
            yield Fault("members", "conflict", "None of the members votes.", "Let at least one take part.")

    @classmethod
    def version(cls) -> str:
        """Its members are named by data, so every strategy and module that may decide counts in."""
        if "_version" not in vars(cls):
            seen = hashlib.sha256(super().version().encode())
            for name in ("asking", "calibration", "members", "structured", "validators", "voting"):
                seen.update(inspect.getsource(importlib.import_module(f"strategies.ensemble.{name}")).encode())
            seen.update(inspect.getsource(importlib.import_module("strategies.timeframes")).encode())
            others = [other for other in registered().values() if other.__module__.startswith("strategies.")]
            for other in sorted(others, key=lambda other: other.slug):
                if other is not cls:
                    seen.update(other.version().encode())
            cls._version = seen.hexdigest()[:12]
        return cls._version

    def warmup(self) -> int:
        # A coarse bar holds one bar of the run at least, so this many are needed at the very least.
        return max(member.strategy.warmup() for member in self._members)

    def bars_needed(self, timeframe: str, calendar: str) -> int:
        needed = [self.warmup(), *(validator.warmup() for validator in self._validators)]
        for member in self._members:
            own = member.timeframe or timeframe
            count = member.strategy.bars_needed(own, calendar) + self.hold_for_bars
            needed.append(base_bars(count, own, timeframe, calendar))
        calibrating = self.calibration_bars + self.calibration_horizon if self.calibrate == "history" else 0
        return max(needed) + calibrating

    def timeframes(self) -> Iterable[str]:
        for member in self._members:
            # What a member reads beside its own bars is checked against those when it is taken in.
            yield from [member.timeframe] if member.timeframe else member.strategy.timeframes()

    def extras(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for member in self._members for name in member.strategy.extras()))

    def reading(self, bars: Bars) -> Reading:
        """What it works out on these bars; the last answer is kept, because signals, lines and evidence all ask."""
        if self._read is None or self._read[0] is not bars:
            self._read = (bars, self._work_out(bars))
        return self._read[1]

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        return self.reading(bars).signals

    def confidence(self, bars: Bars) -> Floats:
        return self.reading(bars).confidence

    def lines(self, bars: Bars) -> dict[str, Floats]:
        reading = self.reading(bars)
        known = np.logical_and.reduce([answer.opinion.ready for answer in reading.answers])
        lines = {
            "buy": reading.tally.close_short,
            "sell": reading.tally.close_long,
            "sure": reading.confidence,
            "agreed": reading.tally.agreed,
        }
        lines = {name: np.where(known, values, np.nan) for name, values in lines.items()}
        for i, series in enumerate(reading.series):
            lines |= {f"validator_{i}_{name}": values for name, values in series.items()}
        return lines

    def overlays(self, bars: Bars) -> list[Overlay]:
        named = {
            "buy": Line("Votes to buy", "own"),
            "sell": Line("Votes to sell", "own"),
            "sure": Line("Confidence", "own"),
        }
        for i, validator in enumerate(self._validators):
            named |= {f"validator_{i}_{name}": line for name, line in validator.line_info.items()}
        return [
            Overlay(name=name, label=named[name].label, pane=named[name].pane, values=values)
            for name, values in self.lines(bars).items()
            if name in named
        ]

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        verdicts = [
            (validator.label, validator.passes(self._at(i, at), BUY), validator.passes(self._at(i, at), SELL))
            for i, validator in enumerate(self._validators)
        ]
        return words.reason(self.parameters, action, at, verdicts)

    def evidence(self, bars: Bars, places: list[int]) -> list[Any]:
        from strategies.ensemble.evidence import evidence

        return evidence(self, bars, places)

    @property
    def voters(self) -> list[tuple[Member, float]]:
        """The members that vote, each with its share of the vote."""
        return list(zip(self._members, self._shares, strict=True))

    @property
    def judges(self) -> list[Validator]:
        """The validators that are asked."""
        return list(self._validators)

    def _at(self, i: int, at: Mapping[str, float]) -> dict[str, float]:
        """One bar's values as validator `i` names them."""
        prefix = f"validator_{i}_"
        own = {name.removeprefix(prefix): value for name, value in at.items() if name.startswith(prefix)}
        return {"close": at["close"], **own}

    def _work_out(self, bars: Bars) -> Reading:
        answers = ask_all(self._members, bars, self.hold_for_bars)
        opinions = [answer.opinion for answer in answers]
        counted = tally(opinions, self._shares, self.vote, self.threshold)
        agreed, spoke = counted.agreed, speaks_for(opinions, counted.agreed)
        calibrated = None
        confidence = counted.confidence
        if self.calibrate == "history":
            # What is learned from are the votes; what validators would have said of them is another matter.
            voted = fires(agreed, np.ones(len(bars), bool), spoke)
            calibrated = calibrate(
                confidence,
                np.where(voted & ((agreed == BUY) | (agreed == SELL)), agreed, 0).astype(np.int8),
                bars.close,
                horizon=self.calibration_horizon,
                window=self.calibration_bars,
                floor=self.calibration_floor,
            )
            confidence = np.where(agreed != 0, calibrated.confidence, 0.0)
        series = [validator.series(bars) for validator in self._validators]
        passes = {side: self._passes(bars, series, side) for side in (BUY, SELL)}
        sure = confidence >= self.min_confidence
        # Only entries are ever refused.
        let_through = np.select([agreed == BUY, agreed == SELL], [passes[BUY] & sure, passes[SELL] & sure], True)
        fired = fires(agreed, let_through, spoke)
        return Reading(
            answers=answers,
            tally=counted,
            calibrated=calibrated,
            confidence=confidence,
            series=series,
            passes=passes,
            sure=sure,
            fired=fired,
            signals=np.where(fired, self._codes(agreed, let_through), 0).astype(np.int8),
        )

    def _passes(self, bars: Bars, series: list[dict[str, Floats]], side: int) -> NDArray[np.bool_]:
        passes = np.ones(len(bars), bool)
        for validator, values in zip(self._validators, series, strict=True):
            passes &= validator.passes({"close": bars.close, **values}, side)
        return passes

    def _codes(self, agreed: NDArray[np.int8], let_through: NDArray[np.bool_]) -> NDArray[np.int8]:
        """What is said to the engine: a refused entry still leaves the other side."""
        if not self.allows_short:
            # There is no short side: whatever would close a long position sells it, and nothing else is left to refuse.
            sells = (agreed == SELL) | (agreed == EXIT_LONG) | (agreed == EXIT)
            return np.select([sells, (agreed == BUY) & let_through], [SELL, BUY], 0).astype(np.int8)
        refused = ~let_through
        return np.select(
            [(agreed == BUY) & refused, (agreed == SELL) & refused], [EXIT_SHORT, EXIT_LONG], agreed
        ).astype(np.int8)
