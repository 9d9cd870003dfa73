"""Secrets at rest: keys of brokers and bots' tokens are encrypted in the database, under keys that are not in it.

    class Account(models.Model):
        api_key = EncryptedTextField()

    account.api_key = "AK12…"        # encrypted at once; the plain text is kept nowhere
    str(account.api_key)             # "set, ends in …7QXZ": all that pages, logs and the admin can show
    account.api_key.reveal()         # the plain text, for the call that needs it

SECRETS_KEYS holds Fernet keys: the first encrypts, all decrypt. Each value names the key it is under, so that
`manage.py rotate_secrets` knows which to renew, and a missing key is a clear error.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from tradingsite.lib.errors import ApiError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

# As long as this, the last four characters of a secret give nothing away.
_HINT_FROM, _HINT = 12, 4
_STORED = re.compile(r"v1\$([0-9a-f]{8})\$([0-9a-f]*)\$([A-Za-z0-9_=-]+)")


class SecretsLocked(ApiError):
    """A secret cannot be stored or read, because this server lacks the key."""

    status = 503
    code = "secrets_locked"


class Secret:
    """One secret, encrypted. Only `reveal` gives it out; as text it says that it is set and how it ends."""

    __slots__ = ("_parts", "stored")

    def __init__(self, stored: str) -> None:
        """stored: as it stands in the database; empty: not set."""
        self.stored = stored
        self._parts = _STORED.fullmatch(stored)

    @classmethod
    def of(cls, text: str) -> Secret:
        """Encrypt `text` under the first key. Raises SecretsLocked when there is none."""
        if not text:
            return cls("")
        key_id = current_key_id()
        hint = text[-_HINT:].encode().hex() if len(text) >= _HINT_FROM else ""
        return cls(f"v1${key_id}${hint}${_keys()[key_id].encrypt(text.encode()).decode('ascii')}")

    @property
    def key_id(self) -> str:
        """Which key it is under; empty when not set or not readable."""
        return self._parts[1] if self._parts else ""

    @property
    def ending(self) -> str:
        """Its last four characters; empty for a short one, of which four would be too much."""
        return bytes.fromhex(self._parts[2]).decode() if self._parts else ""

    def reveal(self) -> str:
        """The plain text; empty when not set. Raises SecretsLocked when its key is missing or the value was changed."""
        if not self.stored:
            return ""
        from cryptography.fernet import InvalidToken

        changed = SecretsLocked("A stored secret was changed in the database and cannot be read. Set it anew.")
        if self._parts is None:
            raise changed
        fernet = _keys().get(self.key_id)
        if fernet is None:
            raise SecretsLocked(
                f"A stored secret is under key {self.key_id}, which SECRETS_KEYS does not hold. "
                "Put that key back, or set the secret anew."
            )
        try:
            return fernet.decrypt(self._parts[3].encode("ascii")).decode()
        except InvalidToken:
            raise changed from None

    def renewed(self) -> Secret:
        """The same secret under the first key."""
        return self.of(self.reveal())

    def __bool__(self) -> bool:
        return bool(self.stored)

    def __str__(self) -> str:
        if not self.stored:
            return "not set"
        return f"set, ends in …{self.ending}" if self.ending else "set"

    def __repr__(self) -> str:
        return f"<Secret: {self}>"


class _SecretAttribute(DeferredAttribute):
    """Encrypts plain text the moment it is assigned."""

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value if isinstance(value, Secret) else Secret.of(value or "")


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database; its value is a `Secret`.

    It is never editable, so that no form or serializer takes or shows it. It cannot be searched: the same text is
    stored differently each time.
    """

    descriptor_class = _SecretAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(editable=False, blank=True)
        kwargs.setdefault("default", "")
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Secret:
        return Secret(value or "")  # None: the column of a row that an outer join did not find

    def to_python(self, value: Any) -> Secret:
        """A value from a dump of ours (`loaddata`), never plain text."""
        if isinstance(value, Secret):
            return value
        if value and not _STORED.fullmatch(value):
            raise ValidationError("This is no encrypted value of ours.")
        return Secret(value or "")

    def get_prep_value(self, value: Any) -> str:
        return (value if isinstance(value, Secret) else Secret.of(value or "")).stored

    def value_to_string(self, obj: models.Model) -> str:
        return self.value_from_object(obj).stored

    def get_lookup(self, lookup_name: str) -> Any:
        raise FieldError("An encrypted field cannot be searched.")


def current_key_id() -> str:
    """The id of the key that encrypts. Raises SecretsLocked when this server has none."""
    keys = _keys()
    if not keys:
        raise SecretsLocked(
            "This server stores no secrets, because it has no key to encrypt them with. "
            "Its operator sets SECRETS_KEYS (see .env.example)."
        )
    return next(iter(keys))


def encrypted_fields(model: type[models.Model]) -> list[EncryptedTextField]:
    """The fields of a model that hold secrets."""
    return [field for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]


def _keys() -> dict[str, Fernet]:
    """The keys in force by id, first the one that encrypts."""
    return _parsed(tuple(settings.SECRETS_KEYS))


@functools.lru_cache(4)
def _parsed(keys: tuple[str, ...]) -> dict[str, Fernet]:
    from cryptography.fernet import Fernet  # here: a web process that reads no secret does without it

    return {hashlib.sha256(key.encode()).hexdigest()[:8]: Fernet(key) for key in keys}
