"""The pages about oneself: sign up, log in and out, settings, password."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash, views
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import FormView, View

from accounts import logins, quotas, selectors
from accounts.forms import ChannelForm, LoginForm, PasswordForm, PreferencesForm, SignUpForm
from accounts.models import User
from accounts.reporters import KINDS
from accounts.services import users
from engine.errors import InputError
from tradingsite.lib import realtime
from tradingsite.lib.clients import client_ip
from tradingsite.lib.errors import NotAllowed, TooMany

THEME_COOKIE = "theme"
_YEAR_S = 31_536_000


class SignUp(FormView):
    """Make an account and be logged in."""

    template_name = "accounts/sign_up.html"
    form_class = SignUpForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return redirect(settings.LOGIN_REDIRECT_URL)
        if not settings.SIGN_UP_OPEN:
            raise NotAllowed("Sign-up is closed on this server. Ask its operator for an account.")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        sent = form.cleaned_data
        try:
            user = users.sign_up(
                sent["username"],
                sent["email"],
                sent["password"],
                ip=client_ip(self.request),
                time_zone=users.known_timezone(sent["timezone"]),
            )
        except InputError as refusal:
            form.refuse(refusal)
            return self.form_invalid(form)
        except TooMany as refusal:
            return _locked(self, form, refusal)
        login(self.request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return redirect(_next(self.request))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, next=self.request.GET.get("next", ""))


class Login(views.LoginView):
    """Django's login page; after too many tries it answers 429 and keeps the name that was typed."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: LoginForm) -> HttpResponse:
        response = super().form_valid(form)
        if THEME_COOKIE not in self.request.COOKIES:
            remember_theme(response, form.get_user())
        return response

    def form_invalid(self, form: LoginForm) -> HttpResponse:
        response = super().form_invalid(form)
        if form.locked_for is not None:
            response.status_code = 429
            response["Retry-After"] = str(form.locked_for)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, sign_up_open=settings.SIGN_UP_OPEN)


class Logout(views.LogoutView):
    """Ends this session (POST only), and the websockets that lived on it."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user_id = request.user.pk
        response = super().post(request, *args, **kwargs)
        if user_id is not None:
            realtime.recheck(user_id)
        return response


class Settings(LoginRequiredMixin, FormView):
    """Preferences, password, tier and usage, how to call the API."""

    template_name = "accounts/settings.html"
    form_class = PreferencesForm
    success_url = reverse_lazy("accounts:settings")
    sent_channel: ChannelForm | None = None

    def get_initial(self) -> dict[str, Any]:
        return {"timezone": self.request.user.timezone, "theme": self.request.user.theme}

    def form_valid(self, form: PreferencesForm) -> HttpResponse:
        sent = form.cleaned_data
        users.change_preferences(self.request.user, time_zone=sent["timezone"], theme=sent["theme"])
        messages.success(self.request, "Preferences saved.")
        response = super().form_valid(form)
        remember_theme(response, self.request.user)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user, sent = self.request.user, self.sent_channel
        rows = selectors.channels(user)
        channels = [
            (row, sent if sent and sent.kind is kind else ChannelForm(kind=kind, row=row))
            for kind, row in ((kind, rows.get(kind.name)) for kind in KINDS.values())
        ]
        return super().get_context_data(
            **kwargs,
            tier=user.tier,
            usage=quotas.usage(user),
            site=self.request.build_absolute_uri("/")[:-1],
            channels=channels,
            deliveries=selectors.recent_deliveries(user),
        )


class Password(LoginRequiredMixin, FormView):
    """Change the password; every other login of this user ends."""

    template_name = "accounts/password.html"
    form_class = PasswordForm
    success_url = reverse_lazy("accounts:settings")

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        sent = form.cleaned_data
        user = self.request.user
        try:
            users.change_password(user, sent["current_password"], sent["new_password"], ip=client_ip(self.request))
        except InputError as refusal:
            form.refuse(refusal)
            return self.form_invalid(form)
        except TooMany as refusal:
            return _locked(self, form, refusal)
        update_session_auth_hash(self.request, user)
        messages.success(self.request, "Password changed. All your other logins and tokens have ended.")
        return super().form_valid(form)


class LogoutEverywhere(LoginRequiredMixin, View):
    """Ends every session and token of this user except the session that asks."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        logins.end_all(request.user)
        update_session_auth_hash(request, request.user)
        messages.success(request, "All your other logins and tokens have ended.")
        return redirect("accounts:settings")


def remember_theme(response: HttpResponse, user: User) -> None:
    """Write the user's theme where the frame reads it: a cookie that scripts may change for this device."""
    response.set_cookie(
        THEME_COOKIE, user.theme, max_age=_YEAR_S, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )


def _locked(view: FormView, form: Any, refusal: TooMany) -> HttpResponse:
    """The form again, with what was typed, as a 429."""
    form.add_error(None, refusal.message)
    response = view.form_invalid(form)
    response.status_code = refusal.status
    response["Retry-After"] = str(refusal.retry_after)
    return response


def _next(request: HttpRequest) -> str:
    """Where to go after sign-up: the page that was asked for, if it is one of ours."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if target and safe else resolve_url(settings.LOGIN_REDIRECT_URL)
