"""`manage.py create_demo_user`: somebody to log in as on a fresh machine."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import User


class Command(BaseCommand):
    help = (
        "Make the user 'demo' with a random password and print it, once. When the user exists nothing is changed; "
        "--new-password draws another one (and ends the user's logins)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="demo")
        parser.add_argument("--new-password", action="store_true", help="draw and print a new password")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        user = User.objects.filter(username__iexact=name).first()
        if user is not None and not options["new_password"]:
            self.stdout.write(f"Demo user: {user.username} (exists; --new-password draws a new password)")
            return
        if user is None:
            # .invalid is reserved: no mail can ever reach somebody by mistake.
            user = User(username=name, email=f"{name}@example.invalid")
        password = secrets.token_urlsafe(12)
        user.set_password(password)
        user.save()
        self.stdout.write(f"Demo user: {user.username}  password: {password}")
