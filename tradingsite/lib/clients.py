"""Who is on the other end of a request."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest | None) -> str:
    """The address to count tries and requests by.

    Without a proxy (setting BEHIND_PROXY off) X-Forwarded-For is what the client claims and is ignored. With one, its
    last entry is what the proxy itself saw. An IPv6 client counts by its /64, because it owns all of it.
    """
    if request is None:
        return ""
    address = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY and (chain := request.META.get("HTTP_X_FORWARDED_FOR", "")):
        address = chain.rsplit(",", 1)[-1].strip()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return address
