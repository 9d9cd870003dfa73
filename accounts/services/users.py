"""Writes to accounts: sign up, change a password, change preferences, log out everywhere."""

from __future__ import annotations

import re

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts import guard, logins
from accounts.models import User, check_timezone
from engine.errors import Fault, InputError
from tradingsite.lib.errors import NotAllowed

# Plain ASCII: two names that look alike must be the same name.
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,31}")
MAX_PASSWORD = 256
# Enough for a class that signs up together behind one address; too few for filling the database.
SIGN_UPS_PER_ADDRESS = 30


def sign_up(username: str, email: str, password: str, *, ip: str, time_zone: str = "UTC") -> User:
    """A new user of tier FREE.

    Raises InputError (every fault at once), NotAllowed when sign-up is closed, TooMany: five tries at names or
    addresses that are taken, in five minutes, are all that one address has, so that a list cannot be tried out.
    """
    if not settings.SIGN_UP_OPEN:
        raise NotAllowed("Sign-up is closed on this server. Ask its operator for an account.", code="sign_up_closed")
    email = email.strip().lower()
    try:
        with guard.tried("sign-up", ip=ip):
            _check_new_user(username, email, password, time_zone)
            if _taken(username, email):
                raise guard.BadTry
    except guard.BadTry:
        raise InputError(_taken(username, email)) from None
    guard.spend("new account", ip=ip, limit=SIGN_UPS_PER_ADDRESS)
    user = User(username=username, email=email, timezone=time_zone)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:  # somebody took the name between the check and here
        raise InputError(_taken(username, email)) from None
    return user


def change_password(user: User, current: str, new: str, *, ip: str) -> None:
    """Set a new password, which ends every session and token of the user; the caller begins a new one for this client.

    Raises InputError (wrong current password, weak new one), TooMany after five wrong ones in five minutes.
    """
    try:
        with guard.tried("password", account=str(user.pk), ip=ip):
            if not user.check_password(current):
                raise guard.BadTry
    except guard.BadTry:
        fault = Fault("current_password", "wrong_password", "This is not your current password.")
        raise InputError(fault) from None
    faults = _password_faults(new, user, "new_password")
    if faults:
        raise InputError(faults)
    user.set_password(new)
    with transaction.atomic():
        user.save(update_fields=["password"])
        logins.end_all(user)


def change_preferences(user: User, *, time_zone: str | None = None, theme: str | None = None) -> None:
    """Set how pages look to this user; None leaves a preference as it is. Raises InputError."""
    if time_zone is not None:
        faults = _timezone_faults(time_zone)
        if faults:
            raise InputError(faults)
        user.timezone = time_zone
    if theme is not None:
        if theme not in User.Theme.values:
            names = ", ".join(User.Theme.values)
            raise InputError(Fault("theme", "unknown_choice", f"{theme!r:.40} is no theme.", f"One of: {names}."))
        user.theme = theme
    user.save(update_fields=["timezone", "theme"])


def known_timezone(name: str) -> str:
    """The zone that a browser claims to be in, when we know it; else UTC."""
    return "UTC" if _timezone_faults(name) else name


def _check_new_user(username: str, email: str, password: str, time_zone: str) -> None:
    faults: list[Fault] = []
    if not USERNAME.fullmatch(username):
        text = "A user name is 3 to 32 letters (a–z), digits, dots, underscores, hyphens; it begins with no sign."
        faults.append(Fault("username", "bad_text", text))
    try:
        validate_email(email)
        if len(email) > 254:
            raise ValidationError("too long")
    except ValidationError:
        faults.append(Fault("email", "bad_text", "This is no e-mail address."))
    faults += _timezone_faults(time_zone)
    faults += _password_faults(password, User(username=username, email=email), "password")
    if faults:
        raise InputError(faults)


def _taken(username: str, email: str) -> list[Fault]:
    faults = []
    if User.objects.filter(username__iexact=username).exists():
        faults.append(Fault("username", "already_taken", "This user name is taken.", "Choose another one."))
    if User.objects.filter(email__iexact=email).exists():
        hint = "If it is yours, log in."
        faults.append(Fault("email", "already_taken", "There is an account with this e-mail address.", hint))
    return faults


def _timezone_faults(name: str) -> list[Fault]:
    try:
        check_timezone(name)
    except ValidationError as exc:
        return [Fault("timezone", "unknown_choice", exc.messages[0])]
    return []


def _password_faults(password: str, user: User, path: str) -> list[Fault]:
    if len(password) > MAX_PASSWORD:
        return [Fault(path, "out_of_range", f"A password has at most {MAX_PASSWORD} characters.")]
    try:
        validate_password(password, user)
    except ValidationError as exc:
        return [Fault(path, "weak_password", message) for message in exc.messages]
    return []
