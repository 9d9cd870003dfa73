"""The page that asks for the password once more, and comes back; it counts for five minutes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from accounts.forms import ConfirmForm
from accounts.services import stepup
from engine.errors import InputError
from tradingsite.lib.errors import TooMany


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class Confirm(LoginRequiredMixin, FormView):
    """Your password, once more."""

    template_name = "accounts/confirm.html"
    form_class = ConfirmForm

    def form_valid(self, form: ConfirmForm) -> HttpResponse:
        try:
            stepup.confirm(self.request, form.cleaned_data["password"])
        except InputError as refusal:
            form.refuse(refusal)
            return self.form_invalid(form)
        except TooMany as refusal:
            form.add_error(None, refusal.message)
            response = self.form_invalid(form)
            response.status_code = refusal.status
            response["Retry-After"] = str(refusal.retry_after)
            return response
        return redirect(self._next())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, next=self._next())

    def _next(self) -> str:
        """Where it was asked from, if that is a page of ours."""
        target = self.request.POST.get("next") or self.request.GET.get("next", "")
        hosts = {self.request.get_host()}
        safe = url_has_allowed_host_and_scheme(target, hosts, require_https=self.request.is_secure())
        return target if target and safe else resolve_url("accounts:settings")


def ask_first(request: HttpRequest) -> HttpResponse | None:
    """The way to the page above and back to this one, where the password was not given lately; else None."""
    if stepup.is_fresh(request):
        return None
    return redirect(f"{reverse('accounts:confirm')}?{urlencode({'next': request.get_full_path()})}")
