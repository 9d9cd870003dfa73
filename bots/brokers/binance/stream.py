"""The user data stream of Binance's WebSocket API, with our own way of staying connected.

python-binance's socket gives up after five tries, keeps a hundred messages and needs ten seconds to close. Nothing is
replayed after a gap; whoever listens must ask by REST after each `on_up`. Binance ends every connection after 24
hours: it is renewed before that.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from websockets.sync.client import ClientConnection, connect

from bots.brokers.base import BrokerEvent, VenueDown
from bots.brokers.binance import answers, shapes
from bots.brokers.binance.client import SpotClient
from bots.brokers.listening import Listening
from bots.brokers.waiting import STEADY_S, SignInRefused, tell, wait_s

log = logging.getLogger(__name__)

SUBSCRIBE = "userDataStream.subscribe.signature"
# A peer that answers no ping for five seconds is gone.
PING_S, CLOSE_S, LOOK_S = 5.0, 1.0, 0.5
LIFE_S = 23 * 3_600.0
FAREWELLS = ("serverShutdown", "eventStreamTerminated")


class UserStream(Listening):
    """See `bots.brokers.base.Stream`. connect_s: most that a sign-in takes. life_s: until it is renewed."""

    def __init__(
        self,
        client: SpotClient,
        address: str,
        named: shapes.Named,
        on_event: Callable[[BrokerEvent], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        *,
        connect_s: float,
        life_s: float = LIFE_S,
    ) -> None:
        super().__init__("binance-user-data", on_event, on_up, on_down)
        self._client, self._address, self._named = client, address, named
        self._connect_s, self._life_s = connect_s, life_s

    def _run(self) -> None:
        failures = refusals = 0
        while not self._is_stopping.is_set():
            began = time.monotonic()
            try:
                with connect(
                    self._address, open_timeout=self._connect_s, ping_interval=PING_S, ping_timeout=PING_S,
                    close_timeout=CLOSE_S, max_queue=4_096,
                ) as socket:  # fmt: skip
                    early = self._sign_in(socket)
                    refusals = 0
                    self.is_up = True
                    tell(self._on_up)
                    self._listen(socket, early, began + self._life_s)
                why = ""
            except SignInRefused as error:
                refusals += 1
                why = str(error)
            except Exception as error:
                why = f"Binance's stream is gone ({type(error).__name__})."
            self.is_up = False
            if self._is_stopping.is_set():
                return
            if not why:  # its time was up
                tell(self._on_down, "Binance's stream is renewed.")
                continue
            log.warning("%s", why)
            tell(self._on_down, why)
            failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
            self._is_stopping.wait(wait_s(failures, refusals))

    def _sign_in(self, socket: ClientConnection) -> list[Any]:
        """Ask for the account's events, wait until the venue sends them. What came before its answer."""
        request = {"id": "user-data", "method": SUBSCRIBE, "params": self._client.signed({})}
        socket.send(json.dumps(request))
        early: list[Any] = []
        while True:
            message = _parsed(socket.recv(timeout=self._connect_s))
            if not isinstance(message, dict) or message.get("id") != request["id"]:
                early.append(message)
                continue
            if message.get("status") == 200:
                return early
            error = message.get("error")
            code = error.get("code") if isinstance(error, dict) else None
            if code in answers.KEYS:
                raise SignInRefused(answers.NO_KEYS)
            if code == answers.CLOCK:
                self._client.forget_clock()
            raise ConnectionError(f"Binance's stream answered a sign-in by {code}")

    def _listen(self, socket: ClientConnection, early: list[Any], until: float) -> None:
        """Hand on what is told, until the connection ends, is to be renewed, or we are to stop."""
        for message in early:
            self._hear(message)
        while not self._is_stopping.is_set() and time.monotonic() < until:
            try:
                frame = socket.recv(timeout=LOOK_S)
            except TimeoutError:
                continue
            self._hear(_parsed(frame))

    def _hear(self, message: Any) -> None:
        event = message.get("event") if isinstance(message, dict) else None
        if not isinstance(event, dict):
            return
        if event.get("e") in FAREWELLS:
            raise ConnectionError("Binance ends this connection")
        if event.get("e") != "executionReport":
            return
        try:
            told = shapes.report(event, self._named)
        except (VenueDown, ValueError, TypeError, KeyError):
            # It is told by REST, too; the connection is as good as before.
            log.exception("A message of Binance's stream cannot be read and is passed over")
            return
        tell(self._on_event, told)


def _parsed(frame: str | bytes) -> Any:
    """A frame's JSON; None for what is none, so that one bad frame ends nothing."""
    try:
        return json.loads(frame, parse_float=Decimal)
    except ValueError:
        log.warning("A frame of Binance's stream cannot be read and is passed over")
        return None
