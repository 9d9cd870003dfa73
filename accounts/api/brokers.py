"""/api/broker-accounts: the caller's accounts at brokers. Keys go in and are never told again."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts import selectors
from accounts.models import BrokerAccount
from accounts.serializers.brokers import (
    BrokerAccountChangeSerializer,
    BrokerAccountRequestSerializer,
    BrokerAccountSerializer,
    PracticeRequestSerializer,
)
from accounts.services import brokers, stepup
from tradingsite.lib.clients import client_ip
from tradingsite.lib.schema import errors_for

_TAGS = ["broker accounts"]


class BrokerAccounts(ListAPIView):
    """The caller's accounts at brokers."""

    serializer_class = BrokerAccountSerializer

    def get_queryset(self) -> QuerySet[BrokerAccount]:
        if getattr(self, "swagger_fake_view", False):
            return BrokerAccount.objects.none()
        return selectors.broker_accounts(self.request.user)

    @extend_schema(tags=_TAGS, operation_id="broker_accounts_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The caller's accounts that are not closed, by name."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        tags=_TAGS,
        operation_id="broker_accounts_add",
        request=BrokerAccountRequestSerializer,
        responses={201: BrokerAccountSerializer, **errors_for(409, 422)},
    )
    def post(self, request: Request) -> Response:
        """Add an account. Its keys are tried at the venue; they must be able to trade and unable to withdraw."""
        sent = _cleaned(BrokerAccountRequestSerializer, request)
        password = sent.pop("password")
        if sent["environment"] != BrokerAccount.Environment.PRACTICE:
            stepup.require(request, password, what="adding keys")
        return _answer(brokers.add(request.user, sent, ip=client_ip(request)), status.HTTP_201_CREATED)


class Practice(APIView):
    @extend_schema(
        tags=_TAGS,
        operation_id="broker_accounts_practice",
        request=PracticeRequestSerializer,
        responses={201: BrokerAccountSerializer, **errors_for(409, 422)},
    )
    def post(self, request: Request) -> Response:
        """Open an account with play money at the practice venue, with keys that are made for it."""
        sent = _cleaned(PracticeRequestSerializer, request)
        return _answer(brokers.add_practice(request.user, ip=client_ip(request), **sent), status.HTTP_201_CREATED)


class OneBrokerAccount(APIView):
    @extend_schema(tags=_TAGS, operation_id="broker_accounts_get", responses=BrokerAccountSerializer)
    def get(self, request: Request, account_id: int) -> Response:
        """One of the caller's accounts, closed or not."""
        return _answer(selectors.broker_account(request.user, account_id))

    @extend_schema(
        tags=_TAGS,
        operation_id="broker_accounts_change",
        request=BrokerAccountChangeSerializer,
        responses={200: BrokerAccountSerializer, **errors_for(409, 422)},
    )
    def patch(self, request: Request, account_id: int) -> Response:
        """Rename it, choose what happens to opposite orders, or replace its keys. Keys come first: where they are
        refused, nothing is changed.
        """
        sent = _cleaned(BrokerAccountChangeSerializer, request)
        user, password = request.user, sent.pop("password")
        account = selectors.broker_account(user, account_id)
        if "api_key" in sent:
            if account.environment != BrokerAccount.Environment.PRACTICE:
                stepup.require(request, password, what="replacing keys")
            keys = sent["api_key"], sent["api_secret"]
            account = brokers.replace_keys(user, account_id, *keys, ip=client_ip(request))
        if "name" in sent:
            account = brokers.rename(user, account_id, sent["name"])
        if "opposite_orders" in sent:
            account = brokers.set_opposite_orders(user, account_id, sent["opposite_orders"])
        return _answer(account)

    @extend_schema(tags=_TAGS, operation_id="broker_accounts_close", responses={204: None, **errors_for(409)})
    def delete(self, request: Request, account_id: int) -> Response:
        """Close it: its keys are forgotten, what was traded on it stays. Refused while sessions trade on it."""
        brokers.close(request.user, account_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Check(APIView):
    @extend_schema(
        tags=_TAGS,
        operation_id="broker_accounts_check",
        request=None,
        responses={200: BrokerAccountSerializer, **errors_for(409)},
    )
    def post(self, request: Request, account_id: int) -> Response:
        """Try its keys now. The answer says in `state` whether the venue takes them, and how much money is there."""
        return _answer(brokers.check(request.user, account_id))


def _cleaned(kind: type[Serializer], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _answer(account: BrokerAccount, code: int = status.HTTP_200_OK) -> Response:
    return Response(BrokerAccountSerializer(account).data, status=code)
