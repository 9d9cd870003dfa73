"""The form that starts a session: text as people type it ↔ the body of POST /api/trading/sessions/start."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from django.http import QueryDict
from django.utils import timezone

from accounts.models import User
from bots.forms.accounts import AccountForm
from bots.models import Mode, TradingSession
from bots.services import requests
from bots.settings_columns import from_columns
from engine.errors import Fault, InputError
from strategies import session_settings
from strategies.run_form import as_text
from tradingsite.lib.errors import Conflict


class SessionForm(AccountForm):
    """What stands in the form of a session."""

    PLAIN = (
        "name", "mode", "broker_account_id", "timeframe", "match_timeframe", "initial_cash", "preset", "feed",
        "scheduled_end_time", *AccountForm.OPTION_NAMES,
    )  # fmt: skip
    DEFAULTS = {**AccountForm.DEFAULTS, "initial_cash": "100000", "mode": Mode.PAPER.value}

    @classmethod
    def from_request(cls, user: User, sent: QueryDict) -> Self:
        """As sent by the page, which shows accounts to a live session only."""
        form = super().from_request(user, sent)
        if not form.is_live:
            form.unseen.add("broker_account_id")
        return form

    @property
    def is_live(self) -> bool:
        return self.values["mode"] == Mode.LIVE

    @classmethod
    def from_session(cls, user: User, session: TradingSession) -> SessionForm:
        """Filled in like an earlier session, with the settings it had last."""
        settings = session_settings.as_json(from_columns(session.settings))
        values = {**cls.market_values(session), **cls.setting_values(settings)}
        values |= {"name": session.name, "initial_cash": as_text(float(session.initial_cash)), "mode": session.mode}
        return cls(user, {**values, "broker_account_id": as_text(session.broker_account_id or "")})

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The request body. The end is typed in the person's own zone and sent as UTC."""
        body, faults = super().payload()
        named = body.pop("broker_account_id", "")
        if self.is_live and self.account is not None:
            body["broker_account_id"] = self.account.pk
        elif self.is_live and named:
            faults.append(Fault("broker_account_id", "unknown_choice", "This account is not in use.", "Choose another"))
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
        try:
            return list(requests.clean(self.user, body).cautions)
        except Conflict as refusal:  # the account was closed, or its keys were refused, since the form was drawn
            raise InputError(Fault("broker_account_id", refusal.code, refusal.message)) from None
