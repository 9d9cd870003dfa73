"""The form that starts a session: text as people type it ↔ the body of POST /api/trading/sessions/start."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from accounts.models import User
from bots.forms.market import MarketForm
from bots.models import TradingSession
from bots.services import requests
from bots.settings_columns import from_columns
from engine.errors import Fault
from strategies import session_settings
from strategies.run_form import as_text


class SessionForm(MarketForm):
    """What stands in the form of a session."""

    PLAIN = (
        "name", "timeframe", "match_timeframe", "initial_cash", "preset", "feed", "scheduled_end_time",
        *MarketForm.OPTION_NAMES,
    )  # fmt: skip
    DEFAULTS = {**MarketForm.DEFAULTS, "initial_cash": "100000"}

    @classmethod
    def from_session(cls, user: User, session: TradingSession) -> SessionForm:
        """Filled in like an earlier session, with the settings it had last."""
        settings = session_settings.as_json(from_columns(session.settings))
        values = {**cls.market_values(session), **cls.setting_values(settings)}
        return cls(user, {**values, "name": session.name, "initial_cash": as_text(float(session.initial_cash))})

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The request body. The end is typed in the person's own zone and sent as UTC."""
        body, faults = super().payload()
        typed = body.get("scheduled_end_time")
        if typed:
            try:
                moment = datetime.fromisoformat(typed)
            except ValueError:
                faults.append(
                    Fault("scheduled_end_time", "not_a_moment", "Choose a day and a time.", "Or leave it empty")
                )
                body.pop("scheduled_end_time")
            else:
                local = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
                body["scheduled_end_time"] = local.astimezone(UTC).isoformat()
        return body, faults

    def examine(self, body: Mapping[str, Any]) -> list[Fault]:
        """As `bots.services.requests.clean`."""
        return list(requests.clean(self.user, body).cautions)
