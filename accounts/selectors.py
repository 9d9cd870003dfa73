"""Reads of the apps above: what a user's bots may do together."""

from __future__ import annotations

from accounts.models import PlatformSwitch, RiskEnvelope, User


def risk_envelope(user: User) -> RiskEnvelope:
    """The user's limits over all their bots; an unsaved one without limits where they have set none."""
    return RiskEnvelope.objects.filter(user=user).first() or RiskEnvelope(user=user)


def platform_switch() -> PlatformSwitch:
    """The operators' kill switch for everybody; an unsaved one that is off where it was never thrown."""
    return PlatformSwitch.objects.first() or PlatformSwitch()


def entries_blocked(user: User) -> str | None:
    """Why no bot of this user may open or add to a position right now, in words; None while they may.

    Looks at the platform's switch, the user's own, and whether the account is disabled. Two short queries.
    """
    platform = platform_switch()
    if platform.on:
        return _with_reason("An operator has stopped trading for everybody", platform.reason)
    envelope = RiskEnvelope.objects.filter(user=user).select_related("user").first()
    if envelope is not None and envelope.kill_switch:
        return _with_reason("Your kill switch is on", envelope.kill_reason)
    active = envelope.user.is_active if envelope else User.objects.filter(pk=user.pk, is_active=True).exists()
    return None if active else "This account is disabled."


def _with_reason(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else f"{text}."
