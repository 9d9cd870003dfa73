"""Who may make and run conditions, and which custom strategies may run: asked wherever a strategy enters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts import quotas
from accounts.models import User
from engine.errors import Fault, InputError
from strategies import conditions, readers, selectors
from strategies.models import CustomStrategy
from tradingsite.lib.errors import Unprocessable

CONDITIONS = "conditions"
FIELD = "custom_strategy_id"


def check_tier(user: User, slug: str, parameters: Mapping[str, Any]) -> None:
    """Raises NotAllowed where the strategy is made of conditions, or holds any, and the tier does not have them."""
    if conditions.uses_conditions(slug, parameters):
        quotas.check_custom_strategy(user)


def runnable(user: User, value: object) -> CustomStrategy:
    """The custom strategy that a request names under `custom_strategy_id`.

    Raises InputError for what is no id, NotAllowed for the tier, NotFound, Unprocessable for one that is switched off
    or that failed its causality check.
    """
    key = readers.strict(readers.integer, FIELD, value, low=1, high=selectors.MAX_ID)
    quotas.check_custom_strategy(user)
    row = selectors.custom(user, key)
    refuse_unfit(row, row.parameters)
    return row


def refuse_unfit(row: CustomStrategy, parameters: Mapping[str, Any]) -> None:
    """Raises Unprocessable where `row` is switched off, or where it is these trees that failed its causality check."""
    if not row.is_active:
        raise _refused("custom_inactive", f"“{row.name}” is switched off.", "Switch it on again, or choose another.")
    if row.check_state == CustomStrategy.Check.FAILED and row.parameters == parameters:
        hint = "Change its conditions; each change is checked anew."
        raise _refused("custom_failed_check", f"“{row.name}” failed its causality check: {row.check_reason}", hint)


def with_custom(raw: Mapping[str, Any], row: CustomStrategy) -> dict[str, Any]:
    """The request with the trees of `row` as they are now; trees that are sent beside ``strategy: conditions`` stay.

    Raises InputError where it names another strategy, too.
    """
    sent = raw.get("strategy_parameters")
    faults = []
    if raw.get("strategy") not in (None, CONDITIONS):
        faults.append(Fault("strategy", "conflict", f"{FIELD} names the strategy", "Send one of the two"))
    elif sent and raw.get("strategy") is None:
        message = "The trees of the custom strategy are its parameters"
        faults.append(Fault("strategy_parameters", "conflict", message, "Leave them out"))
    if raw.get("saved_strategy_id") is not None:
        faults.append(Fault("saved_strategy_id", "conflict", f"{FIELD} is sent, too", "Send one of the two"))
    if faults:
        raise InputError(faults)
    return {**raw, "strategy": CONDITIONS, "strategy_parameters": sent or row.parameters}


def unusual(
    slug: str, parameters: Mapping[str, Any], settings: Mapping[str, Any], row: CustomStrategy | None = None
) -> list[Fault]:
    """What is legal and probably not meant about conditions under these (cleaned) settings, to be confirmed.

    row: the custom strategy they come from; its check tells whether it enters on every bar.
    """
    found = []
    if slug == CONDITIONS and parameters.get("short") is not None and not settings["allow_short"]:
        message = "There are conditions to sell short, and the settings do not allow shorting: they open nothing."
        hint = "Allow shorting, or take these conditions out."
        found.append(Fault("settings.allow_short", "short_never_opens", message, hint))
    report = row.check_report if row is not None and row.parameters == parameters else None
    for name in (report or {}).get("always", ()):
        if name in ("buy", "short"):
            message = f"Its {name} conditions were true on every bar that they were checked on."
            hint = "Add a condition that is not always true."
            found.append(Fault(FIELD, "always_true", message, hint))
    return found


def _refused(code: str, message: str, hint: str) -> Unprocessable:
    return Unprocessable(message, code=code, faults=[Fault(FIELD, code, message, hint)])
