"""Writes: the settings of a session while it runs. Each change is a new version, which new entries follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from accounts import quotas
from accounts.models import User
from bots import selectors
from bots.models import SessionSettings, TradingSession
from bots.services import feeds
from bots.services.sessions import log, nudge
from bots.settings_columns import from_columns, to_columns
from bots.states import OVER
from engine.errors import Fault, InputError
from strategies import catalogue, readers, reading, session_settings
from strategies.services import gate
from strategies.session_settings import SETTINGS
from tradingsite.lib.errors import Conflict, NotFound, Unprocessable


def change(
    user: User, session_id: int, changes: Any, *, confirmed: bool = False, preset: str | None = None
) -> SessionSettings:
    """A new version with these settings changed; the one that is in force where nothing differs.

    changes: {setting: value}. preset: begin with that preset's values instead of the ones in force.
    Raises NotFound, InputError (paths begin with ``settings``; also for one that the strategy cannot do without),
    Unprocessable (cautions), Conflict once it is over.
    """
    changes = readers.strict(readers.mapping, "settings", changes)
    unknown = [
        Fault(f"settings.{readers.shown(name)[1:-1]}", "unknown_field", "There is no such setting.")
        for name in changes
        if name not in SETTINGS
    ]
    if unknown:
        raise InputError(unknown)
    with transaction.atomic():
        session = _locked(user, session_id)
        latest = session.settings
        base = {} if preset is not None else session_settings.as_json(from_columns(latest))
        name = session_settings.DEFAULT_PRESET if preset is None else preset
        try:
            values = session_settings.clean({**base, **changes}, preset_name=name)
        except InputError as error:
            raise error.under("settings") from None
        reading.refuse_settings(catalogue.get(session.strategy), session.strategy_parameters, values)
        if not confirmed:
            refuse_unusual(user, session, values)
        return _add(user, session, latest, values)


def rollback(user: User, session_id: int, version: int) -> SessionSettings:
    """A new version equal to an earlier one. Raises NotFound for a version there is not, Conflict as `change`."""
    with transaction.atomic():
        session = _locked(user, session_id)
        earlier = session.settings_versions.filter(version=version).first() if 0 < version < 2**31 else None
        if earlier is None:
            raise NotFound(f"The session has no version {version} of its settings.")
        return _add(user, session, session.settings, from_columns(earlier), rolled_back_to=version)


def refuse_unusual(user: User, session: TradingSession, values: Mapping[str, Any]) -> None:
    """Raises Unprocessable for settings that are legal and probably not meant."""
    calendar = feeds.calendar(user, session.feed, session.feed_options, session.symbols)
    unusual = [
        replace(caution, path=f"settings.{caution.path}")
        for caution in session_settings.cautions(values, calendar=calendar)
    ]
    unusual += gate.unusual(session.strategy, session.strategy_parameters, values)
    if unusual:
        raise Unprocessable(
            "These settings are unusual. Send confirm_cautions: true to run them as they are.",
            code="needs_confirmation",
            faults=unusual,
        )


def _locked(user: User, session_id: int) -> TradingSession:
    # The owner's lock makes two changes at once two versions, one after the other.
    quotas.lock(user)
    session = selectors.session(user, session_id)
    if session.state in OVER:
        word = session.get_state_display().lower()
        raise Conflict(f"The session is {word}: its settings are history.", code="session_over")
    return session


def _add(
    user: User,
    session: TradingSession,
    latest: SessionSettings,
    values: Mapping[str, Any],
    rolled_back_to: int | None = None,
) -> SessionSettings:
    before, after = session_settings.as_json(from_columns(latest)), session_settings.as_json(values)
    changed = {name: [before[name], after[name]] for name in SETTINGS if before[name] != after[name]}
    if not changed:
        return latest
    row = SessionSettings.objects.create(
        session=session,
        version=latest.version + 1,
        changes=changed,
        rolled_back_to=rolled_back_to,
        changed_by=user,
        **to_columns(values),
    )
    verb = f"rolled back to version {rolled_back_to}" if rolled_back_to else "changed"
    log(session, "settings", f"Settings {verb}: {', '.join(changed)}", by=user, version=row.version, changes=changed)
    nudge(session.pk)
    return row
