"""The limits of an account on a portfolio: those of the risk page and of the settings, as shares of its capital.

They bound positions in money across all bots. For weights they are shares of the study's capital, as if nothing else
were held; what other bots hold leaves less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts import selectors as account_selectors
from accounts.models import User
from backtests.portfolios.request import StudyConfig, with_parameters
from engine.errors import Fault, InputError
from strategies import allocation

TOTAL, SYMBOL, GROUP = "total", "symbol", "group"
_NAME_LENGTH = 40  # of a group of the strategy


@dataclass(frozen=True, slots=True)
class Cap:
    """kind: what it bounds: everything, each symbol, or a group of `symbols`. most_pct: of the capital."""

    name: str
    label: str
    kind: str
    most_pct: float
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """A cap that weights exceed. what: a symbol, a group or "All positions"; weight_pct: what they come to."""

    cap: Cap
    what: str
    weight_pct: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.cap.name,
            "label": self.cap.label,
            "what": self.what,
            "weight_pct": round(self.weight_pct, 6),
            "most_pct": round(self.cap.most_pct, 6),
        }


def of_account(user: User, config: StudyConfig) -> list[Cap]:
    """Every cap that bounds these symbols. One query."""
    envelope = account_selectors.risk_envelope(user)
    settings, capital = config.run.settings, float(config.run.initial_capital)
    found = []

    def add(name: str, label: str, kind: str, pct: Any, symbols: tuple[str, ...] = ()) -> None:
        if pct is not None:
            found.append(Cap(name, label, kind, float(pct), symbols))

    def share(money: Any) -> float | None:
        return None if money is None else float(money) / capital * 100.0

    # Nothing here is short, so the net exposure is the gross one.
    for name, kind, label in (
        ("gross_cap", TOTAL, "Account’s gross exposure"),
        ("net_cap", TOTAL, "Account’s net exposure"),
        ("symbol_cap", SYMBOL, "Account’s limit of one symbol"),
    ):
        add(name, label, kind, share(getattr(envelope, name)))
    for name, group in envelope.named_groups:
        if members := tuple(symbol for symbol in config.run.symbols if symbol in group["symbols"]):
            add(f"groups.{name}", f"Account’s limit of “{name}”", GROUP, share(group["cap"]), members)
    for name, kind, label in (
        ("account_gross_cap", TOTAL, "Gross exposure in the settings"),
        ("account_net_cap", TOTAL, "Net exposure in the settings"),
        ("account_symbol_cap", SYMBOL, "Limit of one symbol in the settings"),
    ):
        add(f"settings.{name}", label, kind, share(settings[name]))
    for name, kind, label in (
        ("max_gross_exposure_pct", TOTAL, "Gross exposure in the settings"),
        ("max_net_exposure_pct", TOTAL, "Net exposure in the settings"),
        ("max_symbol_concentration_pct", SYMBOL, "Largest share of one symbol in the settings"),
    ):
        add(f"settings.{name}", label, kind, settings[name])
    return found


def bounded(config: StudyConfig, caps: Sequence[Cap]) -> StudyConfig:
    """The study with its limits drawn in to the caps; one group that overlaps another of its own stays out.

    Raises InputError (path ``account_limits``) where no weights are within both.
    """
    total = min((cap.most_pct for cap in caps if cap.kind == TOTAL), default=100.0)
    invested = config.parameters["max_invested_pct"]
    invested = 100.0 if invested is None else invested
    changes: dict[str, Any] = {"max_invested_pct": total} if total < invested else {}
    # Weights that add up to 100 % are cut to what is invested afterwards, so before that they may be larger.
    adds_up = allocation.registered()[config.method].invested
    room = min(total, invested) / 100.0 if adds_up else 1.0
    changes |= {**_of_symbols(config, caps, room), **_of_groups(config, caps, room)}
    if not changes:
        return config
    try:
        return with_parameters(config, changes)
    except InputError as error:
        listed = ", ".join(f"{cap.label} {cap.most_pct:.4g} %" for cap in caps if cap.most_pct < 100.0)
        fault = error.faults[0]
        message = f"Within the account’s limits ({listed}, of this capital) there are no weights. {fault.message}"
        hint = "Take more symbols or less capital, change the limits on the risk page, or leave them out here"
        raise InputError(Fault("account_limits", "infeasible", message, hint)) from None


def cuts(caps: Sequence[Cap], weights_pct: Mapping[str, float]) -> list[Cut]:
    """The caps that these weights exceed: at them a session's entries would be made smaller, or refused."""
    found = []
    for cap in caps:
        if cap.kind == SYMBOL:
            parts = dict(weights_pct)
        else:
            members = cap.symbols or tuple(weights_pct)
            what = ", ".join(cap.symbols) if cap.kind == GROUP else "All positions"
            parts = {what: sum(weights_pct[symbol] for symbol in members)}
        # What rounds to the cap is within it.
        found += [Cut(cap, what, pct) for what, pct in parts.items() if pct > cap.most_pct + 0.005]
    return found


def _of_symbols(config: StudyConfig, caps: Sequence[Cap], room: float) -> dict[str, Any]:
    most = min((cap.most_pct / room for cap in caps if cap.kind == SYMBOL), default=100.0)
    parameters = config.parameters
    changes: dict[str, Any] = {}
    if parameters["max_weight_pct"] > most:
        changes["max_weight_pct"] = most
    bounds = [
        {**bound, "max_pct": most} if bound["max_pct"] is not None and bound["max_pct"] > most else bound
        for bound in parameters["bounds"]
    ]
    return changes | ({"bounds": bounds} if bounds != list(parameters["bounds"]) else {})


def _of_groups(config: StudyConfig, caps: Sequence[Cap], room: float) -> dict[str, Any]:
    groups = [dict(group) for group in config.parameters["groups"]]
    before = [dict(group) for group in groups]
    for cap in caps:
        highest = cap.most_pct / room
        if cap.kind != GROUP or highest >= 100.0:
            continue
        same = [group for group in groups if set(group["symbols"]) == set(cap.symbols)]
        if same:
            most = same[0]["max_pct"]
            same[0]["max_pct"] = highest if most is None else min(most, highest)
        elif not any(set(group["symbols"]) & set(cap.symbols) for group in groups):
            name = cap.name.removeprefix("groups.")[:_NAME_LENGTH]
            groups.append({"name": name, "symbols": list(cap.symbols), "min_pct": None, "max_pct": highest})
    return {"groups": groups} if groups != before else {}
