"""Alpaca's account activities other than fills: money and units that moved by another way than trades."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal

from bots.brokers.alpaca import shapes
from bots.brokers.base import CashActivity

# Alpaca's word → ours. Fees of coins (CFEE) are part of each execution already and are left out.
TYPES = {
    "CSD": "deposit", "CSW": "withdrawal", "ACATC": "deposit", "TRANS": "deposit", "JNLC": "deposit",
    "DIV": "dividend", "DIVCGL": "dividend", "DIVCGS": "dividend", "DIVNRA": "dividend", "DIVROC": "dividend",
    "DIVTXEX": "dividend", "DIVFEE": "fee", "DIVFT": "fee", "DIVTW": "fee", "FEE": "fee", "PTC": "fee",
    "INT": "interest", "INTNRA": "interest", "INTTW": "interest", "MA": "other", "NC": "other", "REORG": "other",
    "SC": "other", "MISC": "other", "SPLIT": "split", "SSP": "split", "SSO": "other",
}  # fmt: skip
_BY_SIGN = ("CSD", "CSW", "TRANS", "JNLC", "ACATC")  # one word for money that comes and money that goes
Ratio = Callable[[str, datetime.date], Decimal | None]


def read(raw: shapes.Raw, ratio_of: Ratio) -> CashActivity | None:
    """One activity; None for those that move nothing, and for splits whose ratio is not announced."""
    word, ref = shapes.text(raw, "activity_type"), shapes.text(raw, "id")
    kind, at = TYPES.get(word), _moment(raw, ref)
    if kind is None or at is None or not ref:
        return None
    amount = shapes.number(raw, "net_amount") or Decimal(0)
    name = shapes.symbol(shapes.text(raw, "symbol"))
    ratio = ratio_of(name, at.date()) if kind == "split" else None
    if ratio is None and (kind == "split" or not amount):
        return None
    if word in _BY_SIGN:
        kind = "deposit" if amount > 0 else "withdrawal"
    words = shapes.text(raw, "description") or word
    return CashActivity(ref, kind, amount, shapes.text(raw, "currency") or "USD", at, name, ratio, words[:200])


def _moment(raw: shapes.Raw, ref: str) -> datetime.datetime | None:
    """When it was booked: as told, else by its id (which begins with milliseconds), else its date."""
    told = shapes.moment(raw.get("created_at"))
    if told is None and re.match(r"\d{17}", ref):
        told = datetime.datetime.strptime(ref[:17] + "000", "%Y%m%d%H%M%S%f").replace(tzinfo=datetime.UTC)
    return told or shapes.moment(raw.get("date"))
