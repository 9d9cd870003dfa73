"""Calls to addresses that users typed, made so that they reach the internet and never our own network.

The host is resolved once, every address it has is judged, and the connection goes to the one that was judged: a name
that points elsewhere a moment later (DNS rebinding) changes nothing. Redirects are not followed, proxies of the
environment are not used, the body of the answer is not read.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from engine.errors import Fault
from tradingsite.lib.errors import ApiError

TIMEOUT_S = 5.0
MAX_URL = 500
PORTS = {"https": 443, "http": 80}
_PLAIN = re.compile(r"[!#-\[\]-~]+")  # printable ASCII without space, quote and backslash
Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) → its addresses as text; OSError when it has none."""

# IPv6 ranges that carry an IPv4 address, which would have to be judged in its place. Nobody needs them here.
_CARRIERS = [
    ipaddress.ip_network(text) for text in ("::/96", "::ffff:0:0/96", "64:ff9b::/32", "2001::/32", "2002::/16")
]


class TargetNotAllowed(ApiError):
    """An address that this server does not call."""

    status = 400
    code = "target_not_allowed"

    def __init__(self, text: str) -> None:
        hint = "Use https://… on a host that is reachable from the internet."
        super().__init__(text, faults=[Fault("address", self.code, text, hint)])


class NoAnswer(Exception):
    """The address could not be reached, or answered too late or in no HTTP."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them. Raises OSError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def check(url: str, resolve: Resolve = resolve) -> None:
    """Raises TargetNotAllowed unless `post` would call this address now. Sends nothing."""
    try:
        _target(url, resolve)
    except NoAnswer as exc:
        raise TargetNotAllowed(str(exc)) from None


def post(url: str, body: bytes, headers: dict[str, str], resolve: Resolve = resolve) -> int:
    """POST and return the status. Raises TargetNotAllowed, NoAnswer."""
    import httpx  # only where a worker asks for it: it costs a web process 40 ms and 10 MB

    target = _target(url, resolve)
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "POST",
                target.url,
                content=body,
                headers={**headers, "Host": target.host_header},
                # The certificate must be that of the name, though the connection goes to the address.
                extensions={"sni_hostname": target.host},
            ) as answer,
        ):
            return answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:
        raise NoAnswer(f"The address could not be reached ({type(exc).__name__}).") from None


@dataclass(frozen=True, slots=True)
class _Target:
    """What is called: a URL with the judged address in the place of the host, and the host for certificate and server.

    Put together from parts that were looked at, so that no two parsers can read one address differently.
    """

    url: str
    host: str
    host_header: str


def _target(url: str, resolve: Resolve) -> _Target:
    """What to call for an address that a user typed. Raises TargetNotAllowed, NoAnswer for an unknown host."""
    wrong = TargetNotAllowed("The address must begin with https:// or http:// and name a host, without a login.")
    if len(url) > MAX_URL or not _PLAIN.fullmatch(url):
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    host = parts.hostname or ""
    if parts.scheme not in PORTS or not host or "@" in parts.netloc:
        raise wrong
    port = PORTS[parts.scheme] if port is None else port
    if port not in settings.WEBHOOK_PORTS:
        raise TargetNotAllowed(f"Port {port} is not called; allowed: {', '.join(map(str, settings.WEBHOOK_PORTS))}.")
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise NoAnswer("No such host is known.")
    if not settings.WEBHOOK_PRIVATE_NETWORKS and not all(map(_is_public, found)):
        raise TargetNotAllowed("The address is inside a private network.")
    query = f"?{parts.query}" if parts.query else ""
    return _Target(f"{parts.scheme}://{_bracketed(found[0])}:{port}{parts.path or '/'}{query}", host, parts.netloc)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if any(address in network for network in _CARRIERS):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)
