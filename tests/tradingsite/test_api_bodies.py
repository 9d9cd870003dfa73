"""Bodies that are too large are refused by the real server before they fill its disk."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("A8")]


def test_an_announced_body_is_refused_before_it_is_sent(live_site):
    """Only the head is sent; the answer comes at once."""
    host, port = live_site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(
            f"POST /api/auth/token HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            "Content-Length: 2000000000\r\n\r\n".encode()
        )
        answer = raw.recv(4_000).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code": "too_large"' in answer


def test_a_body_without_a_length_is_cut_off(live_site, tmp_path, monkeypatch):
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b"x" * 1_000_000

    with httpx.Client(timeout=20) as client:
        try:
            answer = client.post(
                f"{live_site.url}/api/auth/token", content=chunks(), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 413
            assert answer.json()["code"] == "too_large"
        except httpx.WriteError:
            pass  # the server hung up while we were still sending
    assert sent < 64


def test_a_body_within_the_limit_passes(live_site):
    answer = httpx.post(f"{live_site.url}/api/auth/token", json={"username": "x" * 200, "password": "y" * 900_000})
    assert answer.status_code == 400


def test_pages_are_told_in_plain_text(live_site):
    answer = httpx.post(f"{live_site.url}/accounts/login/", content=b"x" * 1_100_000)
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/plain")
