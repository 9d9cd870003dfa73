"""What a bot's page does with the bot's secrets: set them, forget them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from bots import selectors, services
from bots.forms.secrets import SecretsForm
from bots.services.secrets import SECRETS
from bots.views.bots import page_of
from engine.errors import InputError
from tradingsite.lib.errors import ApiError, NotFound


@sensitive_post_parameters(*SECRETS)
@login_required
@require_POST
def save(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Sets what was typed; the bot's page again where it is refused, without what was typed as a secret."""
    form = SecretsForm(request.POST, row=selectors.bot_secrets(request.user, bot_id))
    if form.is_valid():
        try:
            services.secrets.put(request.user, bot_id, form.changes())
        except NotFound:
            raise  # nothing to come back to
        except (InputError, ApiError) as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Saved. Secrets are kept encrypted and never shown again.")
            return redirect(_section(bot_id))
    return page_of(request, bot_id, form, status=400)


@login_required
@require_POST
def forget(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Forgets all of them."""
    services.secrets.forget(request.user, bot_id)
    messages.success(request, "The keys and the chat of this bot are forgotten.")
    return redirect(_section(bot_id))


def _section(bot_id: int) -> str:
    return reverse("bots:bot", args=[bot_id]) + "#secrets"
