"""REST routes of the reconciliation inbox and of sub-accounts at brokers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors as account_selectors
from accounts.models import BrokerAccount
from bots.api.reading import KEY, Listing, body, query
from bots.api.serializers import inbox as shapes
from bots.live import reserve
from bots.models import Discrepancy
from bots.selectors import inbox as rows
from bots.selectors import returns
from bots.services import inbox
from strategies import readers
from tradingsite.lib.errors import NotFound
from tradingsite.lib.schema import errors_for

_TAGS = ["broker accounts"]
_DECIDED = {
    200: OpenApiResponse(shapes.DiscrepancySerializer, description="Decided, now or before"), **errors_for(409, 422)
}  # fmt: skip


class Inbox(Listing):
    """What the venue and our books differ in."""

    @extend_schema(
        tags=_TAGS,
        operation_id="inbox_list",
        parameters=[shapes.InboxFilterSerializer],
        responses={200: shapes.DiscrepancySerializer(many=True)},
    )
    def get(self, request: Request, account_id: int) -> Response:
        """The inbox of one account of yours, the last found first."""
        account = account_selectors.broker_account(request.user, account_id)
        waiting = query(shapes.InboxFilterSerializer, request)["state"] == "waiting"
        found = rows.discrepancies(request.user, account=account, waiting=waiting)
        return self.paged(request, found, shapes.DiscrepancySerializer)


class OneDiscrepancy(APIView):
    @extend_schema(tags=_TAGS, operation_id="inbox_get", responses={200: shapes.DiscrepancySerializer})
    def get(self, request: Request, account_id: int, discrepancy_id: int) -> Response:
        """One row of the inbox."""
        return _shown(_row(request, account_id, discrepancy_id))


class Adopt(APIView):
    @extend_schema(tags=_TAGS, operation_id="inbox_adopt", request=shapes.AdoptSerializer, responses=_DECIDED)
    def post(self, request: Request, account_id: int, discrepancy_id: int) -> Response:
        """Let a session take the units over as its own. Its host books them within a second, and a stop follows where
        its settings declare one."""
        sent = body(shapes.AdoptSerializer, request)
        row = _row(request, account_id, discrepancy_id)
        return _shown(inbox.adopt(request.user, row.pk, sent["session_id"], theirs=sent.get("theirs")))


class Leave(APIView):
    @extend_schema(tags=_TAGS, operation_id="inbox_leave", request=shapes.DecisionSerializer, responses=_DECIDED)
    def post(self, request: Request, account_id: int, discrepancy_id: int) -> Response:
        """Leave it as it is: units count as external from now on, a difference of cash becomes a flow."""
        sent = body(shapes.DecisionSerializer, request)
        row = _row(request, account_id, discrepancy_id)
        return _shown(inbox.leave(request.user, row.pk, theirs=sent.get("theirs")))


class CloseAtVenue(APIView):
    @extend_schema(tags=_TAGS, operation_id="inbox_close", request=shapes.DecisionSerializer, responses=_DECIDED)
    def post(self, request: Request, account_id: int, discrepancy_id: int) -> Response:
        """Have it undone at the venue: units are sold or bought back at the market, a working order is canceled."""
        sent = body(shapes.DecisionSerializer, request)
        row = _row(request, account_id, discrepancy_id)
        return _shown(inbox.close(request.user, row.pk, theirs=sent.get("theirs")))


class LookNow(APIView):
    @extend_schema(
        tags=_TAGS, operation_id="broker_accounts_look", request=None, responses={202: None, **errors_for(409)}
    )
    def post(self, request: Request, account_id: int) -> Response:
        """Have the account compared with the venue now; the inbox has what was found a few seconds later."""
        inbox.look_now(request.user, account_id)
        return Response(status=status.HTTP_202_ACCEPTED)


class SubAccounts(APIView):
    @extend_schema(tags=_TAGS, operation_id="broker_accounts_parts", responses={200: shapes.SubAccountsSerializer})
    def get(self, request: Request, account_id: int) -> Response:
        """Whose the account's cash and units are: of sessions, of nobody here, undecided; together the venue's."""
        account = account_selectors.broker_account(request.user, account_id)
        found = reserve.sums(account)
        shown = {
            "shares": found.shares, "symbols": found.symbols, "cash": found.cash, "free": found.free,
            "agrees": found.agrees, "seen_at": account.seen_at, "returns": returns.of_account(account),
        }  # fmt: skip
        return Response(shapes.SubAccountsSerializer(shown).data)


class HandOver(APIView):
    @extend_schema(
        tags=_TAGS,
        operation_id="broker_accounts_hand_over",
        request=shapes.HandOverSerializer,
        responses={202: shapes.BookingSerializer, **errors_for(409, 422)},
    )
    def post(self, request: Request, account_id: int) -> Response:
        """Let a session take over units that are external."""
        sent = body(shapes.HandOverSerializer, request)
        account = account_selectors.broker_account(request.user, account_id)
        made = inbox.hand_over(request.user, account, sent["symbol"], sent["qty"], sent["session_id"])
        return Response(shapes.BookingSerializer(made).data, status=status.HTTP_202_ACCEPTED)


class GiveBack(APIView):
    @extend_schema(
        tags=_TAGS,
        operation_id="session_give_back",
        request=shapes.GiveBackSerializer,
        responses={202: shapes.BookingSerializer, **errors_for(409)},
    )
    def post(self, request: Request, session_id: int) -> Response:
        """Have a session at a broker leave units to you: its orders at the venue let go of them first, then they are
        external, and their value leaves the session as no result of trading."""
        sent = body(shapes.GiveBackSerializer, request)
        made = inbox.give_back(request.user, session_id, sent["symbol"], sent.get("qty"))
        return Response(shapes.BookingSerializer(made).data, status=status.HTTP_202_ACCEPTED)


class Executions(Listing):
    """Executions of an account."""

    @extend_schema(
        tags=_TAGS,
        operation_id="broker_accounts_executions",
        parameters=[shapes.ExecutionFilterSerializer],
        responses={200: shapes.BrokerExecutionSerializer(many=True)},
    )
    def get(self, request: Request, account_id: int) -> Response:
        """Every execution that the venue told of, whoever ordered it, the last first."""
        account = account_selectors.broker_account(request.user, account_id)
        found = rows.executions(account, **query(shapes.ExecutionFilterSerializer, request))
        return self.paged(request, found, shapes.BrokerExecutionSerializer)


class CashFlows(Listing):
    """Money that moved on an account."""

    @extend_schema(
        tags=_TAGS,
        operation_id="broker_accounts_cash_flows",
        parameters=[shapes.FlowFilterSerializer],
        responses={200: shapes.CashFlowSerializer(many=True)},
    )
    def get(self, request: Request, account_id: int) -> Response:
        """Deposits, withdrawals, dividends, fees: the last first."""
        account = account_selectors.broker_account(request.user, account_id)
        found = rows.cash_flows(account, **query(shapes.FlowFilterSerializer, request))
        return self.paged(request, found, shapes.CashFlowSerializer)


class MoveCash(APIView):
    @extend_schema(
        operation_id="session_move_cash",
        parameters=[KEY],
        request=shapes.CashMoveSerializer,
        responses={202: shapes.BookingSerializer, **errors_for(409, 422)},
    )
    def post(self, request: Request, session_id: int) -> Response:
        """Move money between the account's free cash and a session that runs there. It is no result of trading: returns
        and loss limits do not count it."""
        amount = body(shapes.CashMoveSerializer, request)["amount"]
        key = readers.idempotency_key(request.headers.get("Idempotency-Key")) or ""
        made = inbox.move_cash(request.user, session_id, amount, key=key)
        return Response(shapes.BookingSerializer(made).data, status=status.HTTP_202_ACCEPTED)


def _row(request: Request, account_id: int, discrepancy_id: int) -> Discrepancy:
    """A row of this account of the caller's. Raises NotFound."""
    account: BrokerAccount = account_selectors.broker_account(request.user, account_id)
    row = rows.discrepancy(request.user, discrepancy_id)
    if row.broker_account_id != account.pk:
        raise NotFound
    return row


def _shown(row: Discrepancy) -> Response:
    data: dict[str, Any] = shapes.DiscrepancySerializer(row).data
    return Response(data)
