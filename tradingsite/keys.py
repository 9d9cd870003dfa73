"""The two keys of an installation: what signs, and what encrypts what is kept. Settings read them here, once."""

from __future__ import annotations

from base64 import urlsafe_b64decode

from django.core.exceptions import ImproperlyConfigured

from tradingsite.environment import VAR_DIR, env


def secret_key(debug: bool) -> str:
    """SECRET_KEY from the environment, else the one that `make run` drew for this clone.

    A key that anybody can read in a sample file signs sessions anybody can forge: refused outside debug.
    """
    key = env.str("SECRET_KEY", default="")
    if not key and (VAR_DIR / "secret_key").is_file():
        key = (VAR_DIR / "secret_key").read_text(encoding="ascii").strip()
    if debug:
        return key or "debug-only-not-a-secret"
    if not key:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. `make run` draws one for you; in production put 50 random characters into the "
            "environment: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    if len(key) < 32 or "change-me" in key or key.startswith(("debug-only", "django-insecure")):
        raise ImproperlyConfigured(
            "SECRET_KEY is a sample or too short (at least 32 characters are needed outside debug). "
            "Draw a new one: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    return key


def secrets_keys(debug: bool) -> list[str]:
    """SECRETS_KEYS from the environment, else the one that `make run` drew for this clone; empty: none are stored.

    Unlike SECRET_KEY these decrypt what is kept for years, so they are never derived from it: each is changed alone.
    """
    keys = env.list("SECRETS_KEYS", default=[])
    if not keys and (VAR_DIR / "secrets_keys").is_file():
        keys = (VAR_DIR / "secrets_keys").read_text(encoding="ascii").split()
    for place, key in enumerate(keys, 1):
        try:
            raw = urlsafe_b64decode(key)
        except ValueError:
            raw = b""
        # A real key has about thirty different bytes among its 32; a sample that somebody typed has few.
        if len(raw) != 32 or (not debug and len(set(raw)) < 16):
            raise ImproperlyConfigured(
                f"SECRETS_KEYS: key {place} is a sample or no key (32 random bytes in URL-safe base64). Draw one: "
                "python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
            )
    return keys
