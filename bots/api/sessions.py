"""REST routes of sessions: start, steer, watch."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bots import selectors, services
from bots.api.reading import KEY, LOCATION, Listing, body, caller, query, started
from bots.api.serializers import ledger
from bots.api.serializers import sessions as shapes
from bots.services import real_money
from strategies.conditions.shapes import MAX_JSON_DEPTH
from tradingsite.lib.schema import errors_for

_STARTED = {
    200: OpenApiResponse(
        shapes.TradingSessionSerializer, description="It is there already: same key, or the bot's own"
    ),
    201: OpenApiResponse(shapes.TradingSessionSerializer, description="Written down; a host takes it up"),
    **errors_for(404, 409, 422),
}


class StartSession(APIView):
    """Start a trading session, on paper or at a broker account."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(
        operation_id="sessions_start",
        parameters=[KEY, LOCATION],
        request=shapes.StartRequestSerializer,
        responses=_STARTED,
    )
    def post(self, request: Request) -> Response:
        """The session is written down and taken up by a host within a second. 403 at the tier's limit names the active
        sessions (`active_session_ids`)."""
        return _start(request)


class StartTrading(APIView):
    """The same as POST /api/trading/sessions/start."""

    max_json_depth = MAX_JSON_DEPTH

    @extend_schema(
        operation_id="trading_start",
        parameters=[KEY, LOCATION],
        request=shapes.StartRequestSerializer,
        responses=_STARTED,
    )
    def post(self, request: Request) -> Response:
        """Start a session, or with `bot_id` a bot."""
        return _start(request)


def _start(request: Request) -> Response:
    payload = real_money.ask_password(request, request.data)
    return started(*services.sessions.start(request.user, payload, request.headers.get("Idempotency-Key")))


class StopTrading(APIView):
    """Stop trading."""

    @extend_schema(
        operation_id="trading_stop",
        request=shapes.StopTradingSerializer,
        responses={200: shapes.EmergencySerializer, **errors_for(404)},
    )
    def post(self, request: Request) -> Response:
        """Stop one of your sessions, or all of them."""
        sent = body(shapes.StopTradingSerializer, request)
        level = "flatten" if sent["policy"] == "flatten" else "stop_keep"
        scope = "session" if "session_id" in sent else "user"
        return _progress(services.emergency.stop_everything(request.user, scope, level, sent.get("session_id")))


class StopEverything(APIView):
    """The stop button: for a session, for all of yours, for the platform."""

    @extend_schema(
        operation_id="stop_everything",
        request=shapes.EmergencyRequestSerializer,
        responses={200: shapes.EmergencySerializer, **errors_for(404)},
    )
    def post(self, request: Request) -> Response:
        """Press it; pressed again it changes nothing, or goes further. Ask GET until `done`."""
        sent = body(shapes.EmergencyRequestSerializer, request)
        return _progress(services.emergency.stop_everything(request.user, **sent))

    @extend_schema(
        operation_id="stop_everything_progress",
        parameters=[shapes.EmergencyQuerySerializer],
        responses={200: shapes.EmergencySerializer, **errors_for(404)},
    )
    def get(self, request: Request) -> Response:
        """How far it has come: the sessions in reach that are not over yet, without pressing."""
        sent = query(shapes.EmergencyQuerySerializer, request)
        return _progress(services.emergency.progress(request.user, **sent))


class Sessions(Listing):
    """Your sessions."""

    @extend_schema(
        operation_id="sessions_list",
        parameters=[shapes.SessionFilterSerializer],
        responses={200: shapes.TradingSessionSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Your sessions, newest first."""
        rows = selectors.sessions(request.user, **query(shapes.SessionFilterSerializer, request))
        return self.paged(request, rows, shapes.TradingSessionSerializer)


class SessionsOfUser(Listing):
    """The same list under the id of its owner."""

    @extend_schema(
        operation_id="sessions_of_user",
        parameters=[shapes.SessionFilterSerializer],
        responses={200: shapes.TradingSessionSerializer(many=True)},
    )
    def get(self, request: Request, user_id: int) -> Response:
        """Your sessions; any other user's id answers 404."""
        user = caller(request, user_id)
        rows = selectors.sessions(user, **query(shapes.SessionFilterSerializer, request))
        return self.paged(request, rows, shapes.TradingSessionSerializer)


class ActiveSession(APIView):
    """The active session of a user."""

    @extend_schema(operation_id="active_session", responses={200: shapes.ActiveSessionSerializer})
    def get(self, request: Request, user_id: int) -> Response:
        """The active session that you started last, or null; any other user's id answers 404."""
        found = selectors.active_session(caller(request, user_id))
        return Response(shapes.ActiveSessionSerializer({"session": found}).data)


class StatsOfUser(APIView):
    """All sessions of a user in figures."""

    @extend_schema(operation_id="stats_of_user", responses={200: ledger.TotalsSerializer})
    def get(self, request: Request, user_id: int) -> Response:
        """Your sessions in a few figures; any other user's id answers 404."""
        return Response(ledger.TotalsSerializer(selectors.totals(caller(request, user_id))).data)


class PortfolioOfUser(APIView):
    """What the active sessions of a user hold."""

    @extend_schema(operation_id="portfolio_of_user", responses={200: ledger.PortfolioSerializer})
    def get(self, request: Request, user_id: int) -> Response:
        """Cash, equity and open positions of your active sessions; any other user's id answers 404."""
        found = selectors.portfolio(caller(request, user_id))
        context = {"closing": selectors.closing(found["positions"])}
        return Response(ledger.PortfolioSerializer(found, context=context).data)


class SessionDetail(APIView):
    """One session."""

    @extend_schema(operation_id="sessions_get", responses={200: shapes.TradingSessionSerializer})
    def get(self, request: Request, session_id: int) -> Response:
        """A session of yours as it stands."""
        return Response(shapes.TradingSessionSerializer(selectors.session(request.user, session_id)).data)


class StopSession(APIView):
    """Stop a session."""

    @extend_schema(
        operation_id="sessions_stop",
        request=shapes.StopRequestSerializer,
        responses={200: shapes.TradingSessionSerializer},
    )
    def post(self, request: Request, session_id: int) -> Response:
        """Twice is fine, and one that is over stays as it is. `state` follows `wanted` within about a second."""
        policy = body(shapes.StopRequestSerializer, request)["policy"]
        return Response(shapes.TradingSessionSerializer(services.sessions.stop(request.user, session_id, policy)).data)


class PauseSession(APIView):
    """Pause a session."""

    @extend_schema(
        operation_id="sessions_pause",
        request=None,
        responses={200: shapes.TradingSessionSerializer, **errors_for(409)},
    )
    def post(self, request: Request, session_id: int) -> Response:
        """No new entries; exits go on. 409 for one that is being stopped or is over."""
        return Response(shapes.TradingSessionSerializer(services.sessions.pause(request.user, session_id)).data)


class ResumeSession(APIView):
    """Resume a session."""

    @extend_schema(
        operation_id="sessions_resume",
        request=None,
        responses={200: shapes.TradingSessionSerializer, **errors_for(409)},
    )
    def post(self, request: Request, session_id: int) -> Response:
        """Entries again. 409 for one that is being stopped or is over."""
        return Response(shapes.TradingSessionSerializer(services.sessions.resume(request.user, session_id)).data)


class SessionSettingsView(APIView):
    """The settings of a session."""

    @extend_schema(operation_id="session_settings_get", responses={200: shapes.SettingsVersionSerializer})
    def get(self, request: Request, session_id: int) -> Response:
        """The settings that new entries follow."""
        found = selectors.settings_history(selectors.session(request.user, session_id)).first()
        return Response(shapes.SettingsVersionSerializer(found).data)

    @extend_schema(
        operation_id="session_settings_replace",
        request=shapes.SettingsRequestSerializer,
        responses={200: shapes.SettingsVersionSerializer, **errors_for(409, 422)},
    )
    def post(self, request: Request, session_id: int) -> Response:
        """All settings anew: the preset's, then what is sent. New entries follow from the next bar on."""
        sent = body(shapes.SettingsRequestSerializer, request)
        return self._change(request, session_id, sent, sent.get("preset", "standard"))

    @extend_schema(
        operation_id="session_settings_change",
        request=shapes.SettingsRequestSerializer,
        responses={200: shapes.SettingsVersionSerializer, **errors_for(409, 422)},
    )
    def patch(self, request: Request, session_id: int) -> Response:
        """Some settings anew, the others as they are. New entries follow from the next bar on."""
        sent = body(shapes.SettingsRequestSerializer, request)
        return self._change(request, session_id, sent, sent.get("preset"))

    def _change(self, request: Request, session_id: int, sent: dict[str, Any], preset: str | None) -> Response:
        row = services.settings.change(
            request.user, session_id, sent["settings"], confirmed=sent["confirm_cautions"], preset=preset
        )
        return Response(shapes.SettingsVersionSerializer(row).data)


class SettingsHistory(Listing):
    """Every version of a session's settings."""

    @extend_schema(
        operation_id="session_settings_history", responses={200: shapes.SettingsVersionSerializer(many=True)}
    )
    def get(self, request: Request, session_id: int) -> Response:
        """Who changed what and when, the latest first."""
        rows = selectors.settings_history(selectors.session(request.user, session_id))
        return self.paged(request, rows, shapes.SettingsVersionSerializer)


class RollbackSettings(APIView):
    """Bring back an earlier version of a session's settings."""

    @extend_schema(
        operation_id="session_settings_rollback",
        request=shapes.RollbackRequestSerializer,
        responses={200: shapes.SettingsVersionSerializer, **errors_for(409)},
    )
    def post(self, request: Request, session_id: int) -> Response:
        """A new version, equal to the named one."""
        version = body(shapes.RollbackRequestSerializer, request)["version"]
        row = services.settings.rollback(request.user, session_id, version)
        return Response(shapes.SettingsVersionSerializer(row).data)


class SessionEquity(APIView):
    """The equity curve of a session."""

    @extend_schema(
        operation_id="session_equity",
        parameters=[shapes.CurveQuerySerializer],
        responses={200: shapes.SessionEquitySerializer},
    )
    def get(self, request: Request, session_id: int) -> Response:
        """Equity over time, thinned for drawing."""
        sent = query(shapes.CurveQuerySerializer, request)
        return Response(selectors.session_equity(selectors.session(request.user, session_id), **sent))


class SessionDecisions(Listing):
    """Why a session did, or did not, trade."""

    @extend_schema(
        operation_id="session_decisions",
        parameters=[shapes.DecisionFilterSerializer],
        responses={200: shapes.DecisionSerializer(many=True)},
    )
    def get(self, request: Request, session_id: int) -> Response:
        """One row for each symbol and bar with every gate that was asked, newest first."""
        sent = query(shapes.DecisionFilterSerializer, request)
        rows = selectors.decisions(selectors.session(request.user, session_id), **sent)
        return self.paged(request, rows, shapes.DecisionSerializer)


class SessionEvents(Listing):
    """The log of a session."""

    @extend_schema(
        operation_id="session_events",
        parameters=[shapes.EventFilterSerializer],
        responses={200: shapes.EventSerializer(many=True)},
    )
    def get(self, request: Request, session_id: int) -> Response:
        """Changes of state and settings, commands, guards that acted, faults; newest first."""
        sent = query(shapes.EventFilterSerializer, request)
        rows = selectors.events(selectors.session(request.user, session_id), **sent)
        return self.paged(request, rows, shapes.EventSerializer)


class SessionParity(APIView):
    """Whether a session did what a backtest of its tape does."""

    @extend_schema(operation_id="session_parity", responses={200: shapes.ParityAnswerSerializer})
    def get(self, request: Request, session_id: int) -> Response:
        """The latest report: identical, or the differences by label."""
        report = selectors.parity_report(selectors.session(request.user, session_id))
        return Response(shapes.ParityAnswerSerializer({"report": report}).data)

    @extend_schema(
        operation_id="session_parity_make",
        request=None,
        responses={
            202: OpenApiResponse(shapes.ParityAnswerSerializer, description="Being made; this is the one before"),
            **errors_for(409),
        },
    )
    def post(self, request: Request, session_id: int) -> Response:
        """Have a new report made. 409 before the session's first bar."""
        report = selectors.parity_report(services.parity.ask(request.user, session_id))
        return Response(shapes.ParityAnswerSerializer({"report": report}).data, status=status.HTTP_202_ACCEPTED)


def _progress(rows: list[services.emergency.Progress]) -> Response:
    found = {"done": all(row.done for row in rows), "sessions": rows}
    return Response(shapes.EmergencySerializer(found).data)
