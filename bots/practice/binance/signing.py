"""Who asks: keys, signatures over the bytes as sent, the time window, the weight of requests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from bots.mapping import nanoseconds
from bots.practice.binance.listing import ApiError, Listing
from bots.practice.exchange import Exchange
from bots.practice.orders import Account, Refusal
from bots.practice.web import Answer, Request, Routes

DEFAULT_WINDOW_MS, MOST_WINDOW_MS, AHEAD_MS = 5_000, 60_000, 1_000
WEIGHT_A_MINUTE = 6_000
STUBBORN, BAN_S = 10, 120  # requests after a 429 until the ban, and how long it lasts

# Our word for a refusal → (code, message). What is not here is told as an unknown order or a failed one.
REFUSALS: dict[str, tuple[int, str]] = {
    "account_blocked": (-2010, "This action is disabled on this account."),
    "buying_power": (-2010, "Account has insufficient balance for requested action."),
    "insufficient_qty": (-2010, "Account has insufficient balance for requested action."),
    "duplicate_client_id": (-2010, "Duplicate order sent."),
    "would_match": (-2010, "Order would immediately match and take."),
    "bracket_price": (-2010, "The relationship of the prices for the orders is not correct."),
    "no_asset": (-1121, "Invalid symbol."),
    "min_notional": (-1013, "Filter failure: NOTIONAL"),
    "price_step": (-1013, "Filter failure: PRICE_FILTER"),
    "is_over": (-2011, "Unknown order sent."),
    "no_order": (-2011, "Unknown order sent."),
}


class Params(Mapping[str, str]):
    """The parameters of a request, from its query and its body."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def need(self, name: str) -> str:
        """Raises ApiError where it is missing or empty."""
        value = self.get(name, "")
        if not value:
            raise ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def one_of(self, name: str, allowed: tuple[str, ...], error: ApiError) -> str:
        value = self.need(name)
        if value not in allowed:
            raise error
        return value

    def number(self, name: str) -> Decimal:
        """Raises ApiError where it is missing or no number above 0."""
        try:
            value = Decimal(self.need(name))
        except InvalidOperation:
            value = Decimal("nan")
        if not value.is_finite():
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'.")
        if value <= 0:
            raise ApiError(-1013, f"Invalid {name}.")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """Raises ApiError where it is missing without a default, or no whole number."""
        if default is not None and not self.get(name):
            return default
        text = self.need(name)
        if not text.isascii() or not text.isdigit():
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(text)


Handler = Callable[[Account, Params], Answer]


class Gate:
    """Lets a request through to its handler, or says why not.

    most: weight of all requests of one key in a minute, after which 429 is answered, and 418 to who does not stop.
    """

    def __init__(self, exchange: Exchange, listing: Listing, most: int = WEIGHT_A_MINUTE) -> None:
        self.exchange, self.listing, self.most = exchange, listing, most
        self._used: dict[str, tuple[int, int]] = {}  # key → (minute, weight)
        self._banned_until: dict[str, float] = {}

    def add(self, routes: Routes, method: str, path: str, handler: Handler, weight: int = 1) -> None:
        """Add a signed route."""

        def answer(request: Request) -> Answer:
            key = request.headers.get("x-mbx-apikey", "")
            try:
                used = self._weigh(key, weight)
                params = Params(_fields(request))
                told = handler(self.account(key, _payload(request), params), params)
                return Answer(told.status, told.body, {**told.headers, "x-mbx-used-weight-1m": str(used)})
            except Throttled as error:
                return Answer.of({"code": error.code, "msg": error.message}, error.status, error.headers)
            except ApiError as error:
                return error.answer()
            except Refusal as error:
                return refused(error).answer()

        routes.add(method, path, answer)

    def account(self, key: str, payload: str, params: Params) -> Account:
        """Whose signature it is. payload: what was signed. Raises ApiError."""
        if not key:
            raise ApiError(-2014, "API-key format invalid.", 401)
        account = self.exchange.accounts.get(key)
        if account is None:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        sent_ms, window_ms = params.whole("timestamp"), params.whole("recvWindow", DEFAULT_WINDOW_MS)
        if window_ms > MOST_WINDOW_MS:
            raise ApiError(-1131, "recvWindow must be less than 60000.")
        signature = hmac.new(account.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature.encode(), params.need("signature").encode()):
            raise ApiError(-1022, "Signature for this request is not valid.")
        now_ms = self.now_ms()
        if sent_ms >= now_ms + AHEAD_MS:
            raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - sent_ms > window_ms:
            raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
        return account

    def now_ms(self) -> int:
        return nanoseconds(self.exchange.now()) // 1_000_000

    def _weigh(self, key: str, weight: int) -> int:
        """The weight that is used up in this minute. Raises Throttled."""
        now = self.now_ms() / 1_000
        if now < self._banned_until.get(key, 0.0):
            until = self._banned_until[key]
            raise Throttled(
                418, f"Way too much request weight used; IP banned until {int(until * 1_000)}.", until - now
            )
        minute = int(now // 60)
        began, used = self._used.get(key, (minute, 0))
        used = used + weight if began == minute else weight
        self._used[key] = (minute, used)
        if used > self.most + STUBBORN * weight:
            self._banned_until[key] = now + BAN_S
        if used > self.most:
            text = f"Too much request weight used; current limit is {self.most} request weight per 1 MINUTE."
            raise Throttled(429, text, (minute + 1) * 60 - now)
        return used


class Throttled(ApiError):
    """Too many requests; retry_s: until when."""

    def __init__(self, status: int, message: str, retry_s: float) -> None:
        super().__init__(-1003, message, status)
        self.headers = {"Retry-After": str(int(retry_s) + 1)}


def refused(error: Refusal) -> ApiError:
    """The exchange's refusal in Binance's words."""
    code, message = REFUSALS.get(error.code, (-1013, error.message))
    return ApiError(code, message)


def _fields(request: Request) -> dict[str, str]:
    return {**request.query, **dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))}


def _payload(request: Request) -> str:
    """The bytes that the client has signed: query and body as they came, without the signature, which is last."""
    whole = request.raw_query + request.body.decode(errors="replace")
    return whole.rpartition("signature=")[0].removesuffix("&")
