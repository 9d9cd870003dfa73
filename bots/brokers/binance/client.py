"""python-binance's client as it has to be for money: timeouts, the venue's clock, safe in several threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from binance.base_client import BaseClient
from binance.client import Client
from requests.adapters import HTTPAdapter

from bots.brokers.base import Banned, RateLimited, Refused, VenueDown
from bots.brokers.binance import answers
from bots.brokers.pace import Pace

CONNECTIONS = 10
WINDOW_MS = 5_000  # recvWindow: what arrives later is not taken, which bounds how long an order can be on its way
CLOCK_S = 1_800.0  # how long a comparison of clocks holds
TIME = "/api/v3/time"


class SpotClient(Client):  # type: ignore[misc]
    """Sends each request once, within `pace`. timeouts: (connect, read) in seconds.

    The one thing that is sent again is what the venue refused for its time: then nothing has happened, the clocks are
    compared, and the second answer stands.
    """

    REQUEST_RECVWINDOW = WINDOW_MS

    def __init__(self, key: str, secret: str, address: str, *, timeouts: tuple[float, float], pace: Pace) -> None:
        loop = asyncio.new_event_loop()  # the library wants one for sockets that it does not open here
        BaseClient.__init__(self, key, secret, {"timeout": timeouts}, loop=loop)
        loop.close()
        self._address, self.pace = address.rstrip("/"), pace
        self._compared_at: float | None = None
        self._clock = threading.Lock()
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=CONNECTIONS, max_retries=0)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def ask(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, *, cost: float = 1, signed: bool = True
    ) -> Any:
        """One request; the JSON of its answer. cost: its weight. Raises as `Broker` says."""
        if not signed:
            return self._send(method, path, dict(params or {}), cost, signed=False)
        self._follow_clock()
        try:
            return self._send(method, path, dict(params or {}), cost, signed=True)
        except Refused as error:
            if error.code != "clock_skew":
                raise
        self._follow_clock(anew=True)
        return self._send(method, path, dict(params or {}), cost, signed=True)

    def signed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a request to the WebSocket API with key, time and signature. Raises as `Broker` says."""
        self._follow_clock()
        made: dict[str, Any] = self._sign_ws_params(dict(params), self._generate_ws_api_signature)
        return made

    def forget_clock(self) -> None:
        """Compare the clocks before the next signature."""
        self._compared_at = None

    def close(self) -> None:
        self.session.close()

    def _follow_clock(self, *, anew: bool = False) -> None:
        """Know by how much the venue's clock differs from ours."""
        with self._clock:
            began = time.monotonic()
            if not anew and self._compared_at is not None and began - self._compared_at < CLOCK_S:
                return
            told = self._send("GET", TIME, {}, 1, signed=False)
            took_s = time.monotonic() - began
            if not isinstance(told, dict) or not isinstance(told.get("serverTime"), int):
                raise VenueDown("Binance's answer cannot be read: there is no time.")
            # Rather late than early: what seems to come from the future is refused at once.
            self.timestamp_offset = int(told["serverTime"] - (time.time() - took_s / 2) * 1_000)
            self._compared_at = began

    def _send(self, method: str, path: str, params: dict[str, Any], cost: float, *, signed: bool) -> Any:
        """The library's request, but that it keeps no answer in the client, where another thread would read it."""
        self.pace.pass_by(cost)
        parts = self._get_request_kwargs(method.lower(), signed, data=params)
        headers = {} if method == "GET" else {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            response = self.session.request(
                method, self._address + path, headers=headers, allow_redirects=False, **parts
            )
            status, body = response.status_code, response.content
        except requests.RequestException as error:
            raise VenueDown(f"Binance does not answer ({type(error).__name__}).") from None
        told = {name.lower(): value for name, value in response.headers.items()}
        used = told.get("x-mbx-used-weight-1m", "")
        if used.isdigit():
            self.pace.told(max(self.pace.per_minute - float(used), 0.0))
        try:
            return answers.read(status, told, body)
        except RateLimited as error:
            self.pace.block(error.retry_after_s, ban=isinstance(error, Banned))
            raise
