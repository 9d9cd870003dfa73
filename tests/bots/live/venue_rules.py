"""How venues that tests plan for trade: Alpaca's stocks and coins, Binance's coins, and one that can do little."""

from __future__ import annotations

from decimal import Decimal

from bots.brokers.base import Capabilities, InstrumentRules

CLASSES = frozenset({"simple", "bracket", "oco", "oto"})
CENTS = ((Decimal(0), Decimal("0.0001")), (Decimal(1), Decimal("0.01")))

ALPACA = Capabilities(True, 0.0, True, CLASSES, can_replace=True, trailing_stops=True)
BINANCE = Capabilities(False, 16.0, True, frozenset({"simple", "oco"}), False, True, whole_position_is_balance=True)
PLAIN = Capabilities(False, 16.0, True, frozenset({"simple"}), can_replace=False, trailing_stops=False)
BARE = Capabilities(False, 16.0, False, frozenset({"simple"}), can_replace=False, trailing_stops=False)

STOCK = InstrumentRules(
    "AAPL", True, CENTS, Decimal(1), fractionable=True, shortable=True,
    kinds=frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"}),
    tifs=frozenset({"day", "gtc", "ioc", "fok", "opg", "cls"}), classes=CLASSES,
)  # fmt: skip
ALPACA_COIN = InstrumentRules(
    "BTC/USD", True, ((Decimal(0), Decimal("0.01")),), Decimal("0.0001"), fractionable=True,
    fraction_step=Decimal("0.0001"), calendar="24/7", base="BTC", min_notional=Decimal(1),
    kinds=frozenset({"market", "limit", "stop_limit"}), tifs=frozenset({"gtc", "ioc"}),
)  # fmt: skip
COIN = InstrumentRules(
    "BTC/USDT", True, ((Decimal(0), Decimal("0.01")),), Decimal("0.00001"), min_qty=Decimal("0.00001"),
    min_notional=Decimal(5), calendar="24/7", base="BTC", quote="USDT",
    kinds=frozenset({"market", "limit", "stop", "stop_limit"}), tifs=frozenset({"gtc", "ioc", "fok"}),
    classes=frozenset({"simple", "oco"}),
)  # fmt: skip
