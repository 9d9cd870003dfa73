"""Writes to the limits over all of a user's bots, and the kill switches. Every change is in the audit trail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import quotas, selectors
from accounts.models import BrokerAccount, Level, PlatformSwitch, RiskEnvelope, User
from accounts.services import audit, notifications
from engine.errors import Fault, InputError
from tradingsite.lib.errors import NotAllowed

CAPS = ("gross_cap", "net_cap", "symbol_cap")
MAX_CAP = Decimal(10**12)
MAX_GROUPS, MAX_SYMBOLS, MAX_SESSIONS = 50, 500, 1_000
GROUP_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,60}")
# As marketdata.symbols has it; this app knows no instruments, so a symbol may be one that nobody has prices of.
SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9^._=-]{0,31}", re.ASCII)
MAX_REASON = 200
_FIELDS = (*CAPS, "max_sessions", "groups")


def set_envelope(user: User, values: Mapping[str, Any], *, actor: User | None = None) -> RiskEnvelope:
    """Set some of a user's limits; those not named stay as they are. The whole envelope as it is afterwards.

    values: gross_cap, net_cap, symbol_cap (Decimal of money above 0), max_sessions (whole number from 0 on), groups
    ({name: {"symbols": […], "cap": Decimal}}); None takes a limit away. actor: who changes it, by default the user.
    Raises InputError with every fault.
    """
    clean = clean_envelope(values)
    with transaction.atomic():
        envelope = _locked(user)
        before = _limits(envelope)
        for name, value in clean.items():
            setattr(envelope, name, value)
        after = _limits(envelope)
        if after != before:
            envelope.save()
            changed = {name: [before[name], after[name]] for name in _FIELDS if before[name] != after[name]}
            audit.record(actor or user, "risk.envelope_changed", target=f"user {user.pk}", detail=changed, owner=user)
    return envelope


def loosens(user: User, values: Mapping[str, Any]) -> bool:
    """Whether `set_envelope` with these values would let real money of this user risk more than now.

    False for whoever has no account of real money. Raises InputError as `set_envelope`.
    """
    clean = clean_envelope(values)
    if not selectors.broker_accounts(user).filter(environment=BrokerAccount.Environment.LIVE).exists():
        return False
    before = _limits(selectors.risk_envelope(user))
    if any(_is_looser(before[name], clean[name]) for name in (*CAPS, "max_sessions") if name in clean):
        return True
    after = clean.get("groups", before["groups"])
    return any(
        name not in after
        or set(group["symbols"]) - set(after[name]["symbols"])
        or Decimal(after[name]["cap"]) > Decimal(group["cap"])
        for name, group in before["groups"].items()
    )


def _is_looser(before: Any, after: Any) -> bool:
    return before is not None and (after is None or after > before)


def throw_kill_switch(user: User, on: bool, reason: str = "", *, actor: User | None = None) -> RiskEnvelope:
    """Stop all entries of this user's bots, or let them enter again. Exits are never stopped.

    reason: up to 200 characters. Throwing it where it stands changes nothing. Raises InputError.
    """
    reason = _reason(reason)
    with transaction.atomic():
        envelope = _locked(user)
        if envelope.kill_switch != on:
            envelope.kill_switch, envelope.kill_reason, envelope.kill_at = on, reason, timezone.now()
            envelope.save()
            action = "risk.kill_switch_on" if on else "risk.kill_switch_off"
            audit.record(actor or user, action, target=f"user {user.pk}", detail={"reason": reason}, owner=user)
            level, title = (Level.CRITICAL, "Your kill switch is on") if on else (Level.INFO, "Your kill switch is off")
            text = reason or ("No bot of yours enters a position." if on else "Your bots may enter positions again.")
            notifications.notify(user, "kill_switch", level=level, title=title, text=text)
    return envelope


def throw_platform_switch(operator: User, on: bool, reason: str = "") -> PlatformSwitch:
    """Stop all entries of everybody's bots, or let them enter again.

    Raises NotAllowed for anybody but an operator, InputError for a reason above 200 characters.
    """
    if not (operator.is_active and operator.is_staff):
        raise NotAllowed("Only an operator stops trading for everybody.")
    reason = _reason(reason)
    with transaction.atomic():
        PlatformSwitch.objects.bulk_create([PlatformSwitch()], ignore_conflicts=True)
        switch = PlatformSwitch.objects.select_for_update().get()
        if switch.on != on:
            switch.on, switch.reason, switch.at, switch.by = on, reason, timezone.now(), operator.get_username()
            switch.save()
            action = "platform.kill_switch_on" if on else "platform.kill_switch_off"
            audit.record(operator, action, target="platform", detail={"reason": reason}, platform=True)
            level, title = (Level.CRITICAL, "Trading is stopped") if on else (Level.INFO, "Trading is allowed again")
            text = reason or ("No bot enters a position." if on else "Bots may enter positions again.")
            notifications.notify_everybody("platform_kill_switch", level=level, title=title, text=text)
    return switch


def _locked(user: User) -> RiskEnvelope:
    """The user's envelope, saved or new, behind the lock that every change of it queues at."""
    quotas.lock(user)
    return selectors.risk_envelope(user)


def _limits(envelope: RiskEnvelope) -> dict[str, Any]:
    return {name: getattr(envelope, name) for name in _FIELDS}


def clean_envelope(values: Mapping[str, Any]) -> dict[str, Any]:
    """The limits as `set_envelope` would store them, without storing them. Raises InputError with every fault."""
    faults = [
        Fault(name, "unknown_field", f"{name!r:.60} is no limit.", f"Known: {', '.join(_FIELDS)}.")
        for name in values
        if name not in _FIELDS
    ]
    clean: dict[str, Any] = {}
    for name in CAPS:
        if name in values:
            clean[name] = _cap(values[name], name, faults)
    if "max_sessions" in values:
        clean["max_sessions"] = number = values["max_sessions"]
        whole = isinstance(number, int) and not isinstance(number, bool)
        if number is not None and not (whole and 0 <= number <= MAX_SESSIONS):
            faults.append(Fault("max_sessions", "out_of_range", f"Must be a whole number from 0 to {MAX_SESSIONS:,}."))
    if "groups" in values:
        clean["groups"] = _groups(values["groups"] or {}, faults)
    if faults:
        raise InputError(faults)
    return clean


def _cap(value: Any, path: str, faults: list[Fault]) -> Decimal | None:
    if value is None:
        return None
    if not (isinstance(value, Decimal) and value.is_finite() and Decimal("0.01") <= value <= MAX_CAP):
        hint = "Leave it empty for no limit; the kill switch stops all entries."
        faults.append(Fault(path, "out_of_range", f"Must be money from 0.01 to {MAX_CAP:,}.", hint))
        return None
    return value.quantize(Decimal("0.01"))


def _groups(groups: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    if len(groups) > MAX_GROUPS:
        faults.append(Fault("groups", "out_of_range", f"At most {MAX_GROUPS} groups."))
        return {}
    clean: dict[str, Any] = {}
    for name, group in groups.items():
        path = f"groups.{name:.60}"
        if not GROUP_NAME.fullmatch(name) or name != name.strip():
            faults.append(Fault(path, "bad_text", "A group's name has 1 to 60 characters."))
            continue
        symbols = group.get("symbols") or []
        if not 1 <= len(symbols) <= MAX_SYMBOLS:
            faults.append(Fault(f"{path}.symbols", "out_of_range", f"A group has 1 to {MAX_SYMBOLS} symbols."))
            continue
        for index, symbol in enumerate(symbols):
            if not SYMBOL.fullmatch(symbol):
                faults.append(Fault(f"{path}.symbols[{index}]", "bad_text", f"{symbol!r:.60} is no symbol."))
        cap = group.get("cap")
        if cap is None:
            faults.append(Fault(f"{path}.cap", "required", "A group needs a cap."))
        cap = _cap(cap, f"{path}.cap", faults)
        clean[name] = {"symbols": sorted({symbol.upper() for symbol in symbols}), "cap": str(cap)}
    return clean


def _reason(text: str) -> str:
    reason = text.strip()
    if len(reason) > MAX_REASON:
        raise InputError(Fault("reason", "out_of_range", f"A reason has at most {MAX_REASON} characters."))
    return reason
