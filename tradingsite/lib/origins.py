"""Whether a websocket was opened by a page of this site.

A browser sends the session cookie along with a websocket that any page opens, and no CSRF token; the Origin header is
all that tells whose page it is. It must therefore equal the Host that was asked for, and ALLOWED_HOSTS alone (which may
be "*") must not decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host


def is_own_origin(scope: Mapping[str, Any]) -> bool:
    """For an ASGI websocket scope: Host is ours, and Origin is that host or one of CSRF_TRUSTED_ORIGINS.

    Without an Origin the client is no browser; it may pass when it brings an Authorization header, which unlike a
    cookie nobody sends for it.
    """
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1")
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return False
    if b"origin" not in headers:
        return b"authorization" in headers
    origin = headers[b"origin"].decode("latin-1")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
