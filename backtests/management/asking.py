"""What the commands share that ask for a job from a JSON file: whose it is, what is asked, what is wrong with it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from engine.errors import InputError
from tradingsite.lib.errors import ApiError

_MAX_JSON_BYTES = 1_000_000


class AskingCommand(BaseCommand):
    """A command that takes ``FILE --user NAME``, FILE holding the body of POST `route`. What is refused ends it with
    status 2, a line for each fault."""

    TICK_S: ClassVar[float] = 0.5  # between two looks at how far it is

    route: ClassVar[str]
    noun: ClassVar[str]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help=f"JSON: the body of POST {self.route}")
        parser.add_argument("--user", required=True, help=f"whose {self.noun} it is")

    def asked(self, options: dict[str, Any]) -> tuple[User, Any]:
        """The user and the body."""
        user = User.objects.select_related("tier").filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']}", returncode=2)
        path = options["file"]
        try:
            if path.stat().st_size > _MAX_JSON_BYTES:
                raise CommandError(f"{path} is larger than a megabyte", returncode=2)
            return user, json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"{path} cannot be read as JSON: {error}", returncode=2) from None

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """For the block that asks: what is refused becomes the command's error."""
        try:
            yield
        except InputError as error:
            lines = [f"{f.path or 'input'}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in error.faults]
            raise CommandError("\n".join(lines), returncode=2) from None
        except ApiError as refusal:
            lines = [refusal.message, *(f"{fault.path}: {fault.message}" for fault in refusal.faults)]
            raise CommandError("\n".join(lines), returncode=2) from None
