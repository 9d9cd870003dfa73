"""What the practice exchange looks at before it takes an order."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bots.practice.orders import ZERO, Account, Instrument, Quote, Refusal, Request, VenueOrder

BUYING_POWER_MARGIN = Decimal("1.02")  # a market order may fill worse than the quote: real venues keep a margin, too


def check(
    account: Account, instrument: Instrument, request: Request, quote: Quote, replacing: VenueOrder | None = None
) -> Decimal:
    """The quantity of a request that can be taken. Raises Refusal otherwise.

    replacing: the order whose place it takes, whose reservations are free again.
    """
    if account.is_blocked:
        raise Refusal("account_blocked", "account is blocked")
    known = account.by_client_id.get(request.client_id)
    if known is not None and not (request.house == "binance" and account.orders[known].is_over):
        raise Refusal("duplicate_client_id", "client_order_id must be unique")
    if instrument.asset_class == "crypto" and request.house == "alpaca":
        _coin(instrument, request)
    _prices(instrument, request)
    qty = _quantity(instrument, request, quote)
    _legs(request, qty, quote)
    others = [order for order in account.working(request.symbol) if order is not replacing]
    if request.post_only and _would_fill(request, quote):
        raise Refusal("would_match", "a post-only order would fill at once")
    if request.order_class != "oco" and request.house == "alpaca":
        _wash(request, others, quote)
    working = account.working()
    if replacing is not None:  # the exits of its group are for the same units
        group = replacing.parent or replacing.id
        working = [order for order in working if group not in (order.id, order.parent)]
    _means(account, instrument, request, qty, quote, working)
    return qty


def held_for_orders(orders: Iterable[VenueOrder], position: Decimal) -> Decimal:
    """Units of a position that exits have taken, or will take; the legs of one group count once."""
    by_group: dict[str, Decimal] = {}
    for order in orders:
        sleeps = order.status == "held" and not order.is_armed  # its entry has not filled yet
        if position * order.sign > 0 and order.legs and order.request.order_class != "oco":
            by_group[order.id] = order.filled  # for the exits that wake up when the rest is filled
        if position * order.sign < 0 and not sleeps:
            group = order.parent or order.id
            by_group[group] = max(by_group.get(group, ZERO), order.left)
    return sum(by_group.values(), ZERO)


def _coin(instrument: Instrument, request: Request) -> None:
    """What Alpaca takes no orders of coins for."""
    if request.kind not in ("market", "limit", "stop_limit"):
        raise Refusal("invalid", "invalid order type for crypto order")
    if request.tif not in ("gtc", "ioc"):
        raise Refusal("invalid", "invalid crypto time_in_force")
    if request.order_class != "simple":
        raise Refusal("invalid", f"crypto orders not allowed for advanced order_class: {request.order_class}")
    if request.qty is not None and request.qty % instrument.lot:
        raise Refusal("invalid", f"qty must be a multiple of {instrument.lot}")


def _prices(instrument: Instrument, request: Request) -> None:
    needed = {
        "limit": ("limit_px",),
        "stop": ("stop_px",),
        "stop_limit": ("stop_px", "limit_px"),
        "market": (),
        "trailing_stop": (),
    }[request.kind]
    for name in needed if request.order_class != "oco" else ():  # an OCO's limit is its take profit
        if getattr(request, name) is None:
            raise Refusal("invalid", f"{request.kind} orders require {name.replace('_px', ' price')}")
    if request.kind == "trailing_stop" and (request.trail_px is None) == (request.trail_pct is None):
        raise Refusal("invalid", "trailing stop orders require either trail price or trail percent")
    for px in (request.limit_px, request.stop_px, request.take_profit, request.stop_loss, request.stop_loss_limit):
        if px is None:
            continue
        if px <= 0:
            raise Refusal("invalid", "prices must be above zero")
        step = instrument.price_step(px)
        if px % step:
            raise Refusal("price_step", f"invalid price {px}: the minimum increment is {step}")


def _quantity(instrument: Instrument, request: Request, quote: Quote) -> Decimal:
    if (request.qty is None) == (request.notional is None):
        raise Refusal("invalid", "either qty or notional is required")
    if request.notional is not None:
        if request.kind != "market" or not instrument.fractionable:
            raise Refusal("invalid", "notional orders must be market orders of a fractionable asset")
        px = quote.ask if request.side == "buy" else quote.bid
        return (request.notional / px).quantize(Decimal("0.000000001"), rounding="ROUND_DOWN")
    qty = request.qty or ZERO
    if qty <= 0:
        raise Refusal("invalid", "qty must be above zero")
    if qty % instrument.lot:
        if not instrument.fractionable:
            raise Refusal("not_fractionable", f"asset {request.symbol} is not fractionable")
        if instrument.asset_class == "us_equity":
            if request.order_class != "simple":
                raise Refusal("fractional", "fractional orders must be simple orders")
            if request.tif != "day":
                raise Refusal("fractional", "fractional orders must be DAY orders")
    px = request.limit_px or request.stop_px or quote.last
    if qty * px < instrument.min_notional:
        raise Refusal("min_notional", f"order value must be at least {instrument.min_notional}")
    return qty


def _legs(request: Request, qty: Decimal, quote: Quote) -> None:
    wanted = {"simple": (0,), "oto": (1,), "bracket": (2,), "oco": (2,)}[request.order_class]
    given = sum(px is not None for px in (request.take_profit, request.stop_loss))
    if given not in wanted:
        raise Refusal("invalid", f"{request.order_class} orders need {wanted[0]} of take_profit and stop_loss")
    if not given:
        return
    if request.order_class in ("bracket", "oto") and request.kind not in ("market", "limit"):
        raise Refusal("invalid", "the entry of a bracket must be a market or a limit order")
    if request.tif not in ("day", "gtc") or request.extended_hours:
        raise Refusal("invalid", "complex orders must be DAY or GTC, in regular hours")
    entry_sign = (1 if request.side == "buy" else -1) * (-1 if request.order_class == "oco" else 1)
    base = quote.last if request.order_class == "oco" else request.limit_px or quote.last
    if request.stop_loss is not None and (base - request.stop_loss) * entry_sign < Decimal("0.01"):
        raise Refusal("bracket_price", f"stop_loss.stop_price must be at least 0.01 beyond base price {base}")
    if request.take_profit is not None and (request.take_profit - base) * entry_sign < Decimal("0.01"):
        raise Refusal("bracket_price", f"take_profit.limit_price must be at least 0.01 beyond base price {base}")


def _would_fill(request: Request, quote: Quote) -> bool:
    px = request.take_profit if request.order_class == "oco" else request.limit_px
    if px is None:
        return True
    return px >= quote.ask if request.side == "buy" else px <= quote.bid


def _wash(request: Request, others: Iterable[VenueOrder], quote: Quote) -> None:
    """An order that could meet one of the same customer's on the other side."""
    for order in others:
        if order.request.side == request.side or order.status == "held":
            continue
        ours = request.limit_px if request.kind == "limit" else None
        theirs = order.limit_px if order.request.kind == "limit" else None
        sign = 1 if request.side == "buy" else -1
        if ours is None or theirs is None or (ours - theirs) * sign >= 0:
            raise Refusal("wash_trade", "potential wash trade detected. use complex orders", existing_order_id=order.id)


def _means(
    account: Account,
    instrument: Instrument,
    request: Request,
    qty: Decimal,
    quote: Quote,
    working: list[VenueOrder],
) -> None:
    position = account.position(request.symbol).qty
    sign = 1 if request.side == "buy" else -1
    if position * sign < 0:  # reduces
        if request.order_class in ("bracket", "oto"):
            raise Refusal("invalid", f"{request.order_class} orders must be entry orders")
        held = held_for_orders((o for o in working if o.request.symbol == request.symbol), position)
        available = abs(position) - held
        if qty > available:
            raise Refusal(
                "insufficient_qty",
                f"insufficient qty available for order (requested: {qty}, available: {available})",
                available=str(available),
                existing_qty=str(abs(position)),
                held_for_orders=str(held),
                symbol=request.symbol,
            )
        return
    if request.order_class == "oco":
        raise Refusal("invalid", "oco orders must be exit orders")
    is_coin = instrument.asset_class == "crypto" or request.house == "binance"
    if sign < 0 and (not account.may_short or not instrument.shortable or is_coin):
        if is_coin:
            raise Refusal("insufficient_qty", "insufficient balance", available="0", symbol=request.symbol)
        raise Refusal("no_short", "account is not allowed to short")
    px = request.limit_px or request.stop_px or (quote.ask if sign > 0 else quote.bid) * BUYING_POWER_MARGIN
    cost = qty * px
    power = buying_power(account, working, quote_of={request.symbol: quote})
    if cost > power:
        raise Refusal("buying_power", "insufficient buying power", buying_power=str(power), cost_basis=str(cost))


def buying_power(account: Account, working: Iterable[VenueOrder], quote_of: dict[str, Quote]) -> Decimal:
    """Cash that no working buy may take, less what shorts would cost to close at their entry."""
    total = account.cash
    for order in working:
        if order.sign > 0 and order.status != "held" and account.position(order.request.symbol).qty >= 0:
            quote = quote_of.get(order.request.symbol)
            px = order.limit_px or order.stop_px or (quote.ask if quote else ZERO)
            total -= order.left * px
    for position in account.positions.values():
        if position.qty < 0:
            total += 2 * position.cost  # its proceeds are in the cash; as much again is kept against it
    return total
