"""The forms of the account pages. The rules live in services; a form carries what was typed and what was wrong."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from accounts.models import Level, NotificationChannel, User
from accounts.reporters import Kind
from accounts.services import users
from engine.errors import InputError
from tradingsite.lib.errors import ApiError, TooMany


class AccessibleForm(forms.Form):
    """Ties each control to its help and error line by id, as templates/accounts/field.html writes them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.describe()

    def describe(self) -> None:
        """Write the ids of help and error into each control."""
        for name, field in self.fields.items():
            control = str(self.auto_id) % name
            described = f"{control}-error"
            if field.help_text:
                described = f"{control}-help {described}"
            field.widget.attrs["aria-describedby"] = described

    def refuse(self, refusal: InputError | ApiError) -> None:
        """Put a service's faults at the fields they belong to."""
        if not refusal.faults:
            self.add_error(None, str(refusal))
        for fault in refusal.faults:
            words = f"{fault.message} {fault.hint}".strip()
            self.add_error(fault.path if fault.path in self.fields else None, words)


class LoginForm(AuthenticationForm):
    """Name and password. `locked_for`: seconds until another try counts, when there were too many."""

    locked_for: int | None = None
    error_messages = {
        "invalid_login": "Name and password do not match, or the account is disabled.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"
        for name, field in self.fields.items():
            field.widget.attrs["aria-describedby"] = f"id_{name}-error"

    def clean(self) -> dict[str, Any]:
        try:
            self.user_cache = authenticate(
                self.request, username=self.cleaned_data.get("username"), password=self.cleaned_data.get("password")
            )
        except TooMany as refusal:
            self.locked_for = refusal.retry_after
            raise ValidationError(refusal.message, code="rate_limited") from None
        if self.user_cache is None:
            raise self.get_invalid_login_error()
        return self.cleaned_data


class SignUpForm(AccessibleForm):
    """A new account."""

    username = forms.CharField(
        label="User name",
        max_length=32,
        help_text="3 to 32 characters: letters a–z, digits, dot, underscore, hyphen",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    email = forms.CharField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=users.MAX_PASSWORD,
        help_text="At least 10 characters; not a common one and not like your name",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    timezone = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)


class PreferencesForm(AccessibleForm):
    """How pages look to this user."""

    timezone = forms.ChoiceField(
        label="Time zone", choices=[], help_text="Times on pages are shown in it; UTC is on hover"
    )
    theme = forms.ChoiceField(
        label="Theme",
        choices=User.Theme.choices,
        help_text="Used on every device you log in on; the menu at the top right changes this device only",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["timezone"].choices = [(name, name.replace("_", " ")) for name in sorted(available_timezones())]


class PasswordForm(AccessibleForm):
    """A change of password."""

    current_password = forms.CharField(
        label="Current password",
        strip=False,
        max_length=users.MAX_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new_password = forms.CharField(
        label="New password",
        strip=False,
        max_length=users.MAX_PASSWORD,
        help_text="At least 10 characters; not a common one and not like your name",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    repeated = forms.CharField(
        label="New password again",
        strip=False,
        max_length=users.MAX_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("new_password") != cleaned.get("repeated"):
            self.add_error("repeated", "This is not the same as the new password above.")
        return cleaned


def password_again(**kwargs: Any) -> forms.CharField:
    """The field of a step-up (`accounts.services.stepup`)."""
    typed = forms.PasswordInput(attrs={"autocomplete": "current-password"})
    return forms.CharField(label="Your password", strip=False, max_length=users.MAX_PASSWORD, widget=typed, **kwargs)


class ConfirmForm(AccessibleForm):
    """The password, once more."""

    password = password_again(help_text="The one you sign in with here")


class ChannelForm(AccessibleForm):
    """A channel outside the site. The secret is never shown: left empty, the one that is stored stays."""

    address = forms.CharField(max_length=500, widget=forms.TextInput(attrs={"spellcheck": "false"}))
    secret = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    min_level = forms.ChoiceField(label="From level", choices=Level.choices)
    enabled = forms.BooleanField(label="Send to it", required=False)

    def __init__(self, *args: Any, kind: Kind, row: NotificationChannel | None = None) -> None:
        initial = {"min_level": Level.WARNING, "enabled": True}
        if row is not None:
            initial = {"address": row.address, "min_level": row.min_level, "enabled": row.enabled}
        super().__init__(*args, initial=initial, auto_id=f"id_{kind.name}_%s")
        self.kind = kind
        address, secret = self.fields["address"], self.fields["secret"]
        address.label, address.help_text = kind.address_label, kind.address_help
        secret.label, secret.help_text = kind.secret_label, kind.secret_help
        if row is not None:
            secret.help_text += ". Leave it empty to keep the one that is set"
        self.describe()
