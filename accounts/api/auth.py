"""/api/auth/: register, log in, refresh, log out, the caller's own account, the tiers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.contrib.auth import authenticate, logout, update_session_auth_hash
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken

from accounts import guard, logins, quotas, tokens
from accounts.models import Tier, User
from accounts.serializers.auth import (
    ChangePasswordSerializer,
    CredentialsSerializer,
    LogoutSerializer,
    MeSerializer,
    PreferencesSerializer,
    RefreshSerializer,
    RegisteredSerializer,
    RegisterSerializer,
    TierSerializer,
    TokenPairSerializer,
    UserSerializer,
)
from accounts.services import users
from tradingsite.lib import realtime
from tradingsite.lib.clients import client_ip
from tradingsite.lib.errors import NotAuthenticated
from tradingsite.lib.schema import errors_for

# A program that restarts with an old token may fail a few times; a list of tokens cannot be tried out.
BAD_REFRESHES = 30


class Open(APIView):
    """A route for callers who are not logged in yet; a stale token in their header does not matter."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class Register(Open):
    @extend_schema(tags=["auth"], request=RegisterSerializer, responses={201: RegisteredSerializer, **errors_for(403)})
    def post(self, request: Request) -> Response:
        """Make an account and log in."""
        sent = _cleaned(RegisterSerializer, request)
        time_zone = sent.pop("timezone")
        user = users.sign_up(**sent, time_zone=time_zone, ip=client_ip(request))
        pair = tokens.begin(user, _user_agent(request))
        return Response({"user": UserSerializer(user).data, **asdict(pair)}, status=201)


class Token(Open):
    @extend_schema(
        tags=["auth"], request=CredentialsSerializer, responses={200: TokenPairSerializer, **errors_for(401)}
    )
    def post(self, request: Request) -> Response:
        """Log in: a pair of tokens for name and password."""
        user = authenticate(request, **_cleaned(CredentialsSerializer, request))
        if not isinstance(user, User):
            raise NotAuthenticated("Name and password do not match, or the account is disabled.")
        return Response(asdict(tokens.begin(user, _user_agent(request))))


class Refresh(Open):
    @extend_schema(tags=["auth"], request=RefreshSerializer, responses={200: TokenPairSerializer, **errors_for(401)})
    def post(self, request: Request) -> Response:
        """The next pair. Each refresh token works once; using one again ends the login it belongs to."""
        sent = _cleaned(RefreshSerializer, request)
        try:
            with guard.tried("refresh", ip=client_ip(request), limit=BAD_REFRESHES):
                try:
                    pair = tokens.refresh(sent["refresh"])
                except tokens.InvalidToken as exc:
                    raise guard.BadTry(str(exc)) from None
        except guard.BadTry as exc:
            raise NotAuthenticated(str(exc)) from None
        return Response(asdict(pair))


class Logout(APIView):
    @extend_schema(tags=["auth"], request=LogoutSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """End this login (its access and refresh tokens, or the session); with `everywhere`, all of the user's."""
        sent = _cleaned(LogoutSerializer, request)
        user = request.user
        if isinstance(request.auth, AccessToken):
            tokens.end(request.auth)
        else:
            logout(request._request)
        if sent["everywhere"]:
            logins.end_all(user)
        realtime.recheck(user.pk)
        return Response(status=204)


class Me(APIView):
    @extend_schema(tags=["auth"], responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """The caller, their tier, and what they use of it."""
        return Response(_me(request.user))

    @extend_schema(tags=["auth"], request=PreferencesSerializer, responses=MeSerializer)
    def patch(self, request: Request) -> Response:
        """Change preferences; what is not sent stays."""
        sent = _cleaned(PreferencesSerializer, request)
        users.change_preferences(request.user, time_zone=sent.get("timezone"), theme=sent.get("theme"))
        return Response(_me(request.user))


class Password(APIView):
    @extend_schema(tags=["auth"], request=ChangePasswordSerializer, responses={200: TokenPairSerializer})
    def post(self, request: Request) -> Response:
        """Change the password. Ends every session and token of the user; the answer is a new login."""
        sent = _cleaned(ChangePasswordSerializer, request)
        users.change_password(request.user, sent["current_password"], sent["new_password"], ip=client_ip(request))
        if not isinstance(request.auth, AccessToken):
            update_session_auth_hash(request._request, request.user)
        return Response(asdict(tokens.begin(request.user, _user_agent(request))))


@extend_schema(tags=["auth"])
class Tiers(ListAPIView):
    """The tiers and their limits, lowest first."""

    queryset = Tier.objects.all()
    serializer_class = TierSerializer
    pagination_class = None


def _cleaned(kind: type[Serializer], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _me(user: User) -> dict[str, Any]:
    return {**UserSerializer(user).data, "usage": [asdict(line) for line in quotas.usage(user)]}


def _user_agent(request: Request) -> str:
    return request.META.get("HTTP_USER_AGENT", "")
