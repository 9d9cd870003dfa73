"""Every rule of a venue that can be known before an order is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from bots.brokers import steps
from bots.brokers.base import BrokerOrder, InstrumentRules, OrderRequest
from bots.brokers.preflight.shapes import ZERO, Known, Problem, plain
from bots.brokers.steps import ceil_px, floor_px
from bots.orders import OrderState

MARKET_MARGIN = Decimal("1.02")  # a market order may fill worse than the quote: venues ask for so much more
LEG_DISTANCE = Decimal("0.01")  # between the base price of a bracket and its exits
NEEDED = {"limit": ("limit_px",), "stop": ("stop_px",), "stop_limit": ("stop_px", "limit_px")}
LEGS = {"simple": (0,), "oto": (1,), "bracket": (2,), "oco": (2,)}
PRICES = ("limit_px", "stop_px", "take_profit", "stop_loss", "stop_loss_limit")


def check(request: OrderRequest, known: Known) -> list[Problem]:
    """Why the venue would refuse it; empty: nothing is known against it."""
    rules = known.rules
    if rules is None:
        return [Problem("no_asset", f"{request.symbol} is not listed at this venue. Check its name.", "symbol")]
    if not rules.tradable:
        return [Problem("not_tradable", f"{request.symbol} cannot be traded at this venue now.", "symbol")]
    looks: tuple[Callable[[OrderRequest, InstrumentRules, Known], Iterable[Problem]], ...] = (
        _account, _offer, _prices, _quantity, _hours, _legs, _trigger, _collar, _wash, _means, _count,
    )  # fmt: skip
    return [problem for look in looks for problem in look(request, rules, known)]


def _account(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    if known.money is not None and known.money.is_blocked:
        yield Problem("account_blocked", "The venue has blocked this account. Only its support can help.", "symbol")


def _offer(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """Kinds, times in force and classes that the venue has."""
    for field, value, offered in (
        ("kind", request.kind, rules.kinds),
        ("time_in_force", request.time_in_force, rules.tifs),
        ("order_class", request.order_class, (rules.classes & known.capabilities.native_classes) | {"simple"}),
    ):
        if field == "time_in_force" and request.kind == "market" and known.capabilities.whole_position_is_balance:
            continue  # a market order of a spot venue has none: it fills at once, whatever is asked
        if value not in offered:
            name = field.replace("_", " ")
            text = f"{rules.symbol} takes no {value} as its {name} here; it takes {', '.join(sorted(offered))}."
            yield Problem("invalid", text, field)


def _prices(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    for field in NEEDED.get(request.kind, ()) if request.order_class != "oco" else ():
        if getattr(request, field) is None:
            name = field.removesuffix("_px")
            yield Problem("invalid", f"A {request.kind} order needs a {name} price.", field)
    if request.kind == "trailing_stop" and (request.trail_px is None) == (request.trail_pct is None):
        yield Problem("invalid", "A trailing stop needs either a distance in money or one in percent.", "trail_px")
    for field in PRICES:
        px: Decimal | None = getattr(request, field)
        if px is None:
            continue
        if px <= 0:
            yield Problem("invalid", f"A price of {plain(px)} is none; it must be above 0.", field)
            continue
        step = rules.price_step(px)
        if px % step:
            nearest = _nearest_px(field, px, request, rules)
            text = f"{rules.symbol} trades in steps of {plain(step)}: {plain(nearest)} is the nearest to {plain(px)}."
            yield Problem("price_step", text, field, nearest)


def _nearest_px(field: str, px: Decimal, request: OrderRequest, rules: InstrumentRules) -> Decimal:
    """On the side that is never worse: limits not dearer, protective stops not later."""
    buys = request.side == "BUY"
    is_leg = field in ("take_profit", "stop_loss", "stop_loss_limit")
    if is_leg and request.order_class != "oco":
        buys = not buys
    if field == "stop_px":
        nearest = ceil_px(px, rules) if buys else floor_px(px, rules)
    else:
        nearest = floor_px(px, rules) if buys else ceil_px(px, rules)
    return nearest or ceil_px(px, rules)


def _quantity(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    qty, name = request.qty, rules.symbol
    if qty <= 0:
        yield Problem("invalid", "A quantity must be above 0.", "qty", steps.least_qty(rules))
        return
    if not rules.fractionable:
        if qty % rules.lot:
            code = "lot_step" if rules.base else "not_fractionable"
            text = f"{plain(qty)} is no multiple of {plain(rules.lot)}, the least step of {name}."
            yield Problem(code, text, "qty", steps.floor_qty(qty, rules) or steps.least_qty(rules))
    elif qty % rules.lot:
        if qty % rules.fraction_step:
            text = f"{plain(qty)} has more digits than {name} takes: its least step is {plain(rules.fraction_step)}."
            yield Problem("lot_step", text, "qty", steps.floor_qty(qty, rules) or rules.fraction_step)
        elif not rules.base:
            yield from _fraction(request, rules)
    if qty < rules.min_qty:
        yield Problem("lot_step", f"{name} is traded from {plain(rules.min_qty)} on.", "qty", rules.min_qty)
    if rules.max_qty is not None and qty > rules.max_qty:
        yield Problem("lot_step", f"One order takes {plain(rules.max_qty)} {name} at most.", "qty", rules.max_qty)
    yield from _value(request, rules, known)


def _fraction(request: OrderRequest, rules: InstrumentRules) -> Iterator[Problem]:
    """Fractions of a share: simple DAY orders only."""
    whole = steps.whole_lots(request.qty, rules) or rules.lot
    for field, is_wrong, text in (
        ("order_class", request.order_class != "simple", "simple orders"),
        ("time_in_force", request.time_in_force != "day", "DAY orders"),
    ):
        if is_wrong:
            told = f"Fractions of {rules.symbol} are taken in {text} only; {plain(whole)} is the nearest whole number."
            yield Problem("not_fractionable", told, field, whole)


def _value(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """Least and most value of one order."""
    prices = [px for px in (request.limit_px, request.stop_px, request.take_profit, request.stop_loss) if px]
    if request.order_class in ("bracket", "oto"):
        prices = [px for px in (request.limit_px,) if px]
    px = min(prices, default=known.last)
    if px is None:
        return
    least = rules.min_notional
    if least and request.qty * px < least:
        nearest = steps.ceil_qty(least / px, rules)
        text = f"An order is worth {plain(least)} {rules.quote} at least; that is {plain(nearest)} {rules.symbol} here."
        yield Problem("min_notional", text, "qty", nearest)
    if rules.max_notional is not None and request.qty * px > rules.max_notional and request.kind != "market":
        nearest = steps.floor_qty(rules.max_notional / px, rules)
        text = f"One order is worth {plain(rules.max_notional)} {rules.quote} at most."
        yield Problem("lot_step", text, "qty", nearest)


def _hours(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    if request.extended_hours:
        if known.capabilities.whole_position_is_balance:
            return  # it never closes, and does not ask
        if not rules.extended_hours:
            yield Problem("invalid", f"{rules.symbol} is not traded outside of regular hours here.", "extended_hours")
        elif request.kind != "limit" or request.time_in_force != "day" or request.order_class != "simple":
            yield Problem(
                "invalid", "Outside of regular hours only simple DAY limit orders are taken.", "extended_hours"
            )
    elif not known.is_open and request.time_in_force in ("day", "gtc", "ioc", "fok"):
        text = f"The exchange is closed: the order waits for its next session. {_then(request.time_in_force)}"
        yield Problem("market_closed", text, "time_in_force", blocks=False)


def _then(tif: str) -> str:
    if tif in ("ioc", "fok"):
        return "It then fills at once or ends; GTC would wait on."
    return "DAY ends with that session." if tif == "day" else "GTC waits on until it fills or is canceled."


def _legs(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """Exits that come with an order: which, and how far from its price."""
    given = [px for px in (request.take_profit, request.stop_loss) if px is not None]
    wanted = LEGS[request.order_class]
    if len(given) not in wanted:
        text = f"An order of the class {request.order_class} needs {wanted[0]} of take profit and stop loss."
        yield Problem("invalid", text, "order_class")
        return
    if not given:
        return
    if request.order_class != "oco" and request.kind not in ("market", "limit"):
        yield Problem("invalid", "The entry of a bracket is a market or a limit order.", "kind")
    if request.time_in_force not in ("day", "gtc"):
        yield Problem("invalid", "Orders with exits are DAY or GTC.", "time_in_force")
    base = known.last if request.order_class == "oco" else request.limit_px or known.last
    if base is None:
        return
    sign = (1 if request.side == "BUY" else -1) * (-1 if request.order_class == "oco" else 1)
    least = LEG_DISTANCE if known.has_wash_rule else rules.price_step(base)
    for field, px, way in (("stop_loss", request.stop_loss, -1), ("take_profit", request.take_profit, 1)):
        if px is None or (px - base) * sign * way >= least:
            continue
        edge = base + sign * way * least
        nearest = ceil_px(edge, rules) if sign * way > 0 else floor_px(edge, rules)
        word = "above" if sign * way > 0 else "below"
        text = f"The {field.replace('_', ' ')} must be {word} {plain(base)}; {plain(nearest)} is the nearest price."
        yield Problem("bracket_price", text, field, nearest)


def _trigger(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """Where a stop on the wrong side of the market is refused, and not simply woken up."""
    if known.has_wash_rule or request.kind not in ("stop", "stop_limit") or not request.stop_px or not known.last:
        return
    buys = request.side == "BUY"
    if (request.stop_px - known.last) * (1 if buys else -1) > 0:
        return
    step = rules.price_step(known.last)
    nearest = known.last + step if buys else known.last - step
    word = "above" if buys else "below"
    text = f"The stop must be {word} the market, {plain(known.last)}: it would be woken up at once."
    yield Problem("would_trigger", text, "stop_px", ceil_px(nearest, rules) if buys else floor_px(nearest, rules))


def _collar(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """How far from the market a price may lie."""
    if rules.collar is None or known.last is None:
        return
    low, high = (known.last * ratio for ratio in rules.collar)
    for field in PRICES:
        px: Decimal | None = getattr(request, field)
        if px is None or low <= px <= high:
            continue
        nearest = ceil_px(low, rules) if px < low else floor_px(high, rules)
        text = f"{plain(px)} is too far from the market: prices from {plain(low)} to {plain(high)} are taken."
        yield Problem("price_step", text, field, nearest)


def _wash(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """An order that could meet one of the account's own on the other side."""
    if not known.has_wash_rule or request.order_class == "oco":
        return
    sign = 1 if request.side == "BUY" else -1
    ours = request.limit_px if request.kind == "limit" else None
    for order in known.open_orders:
        if order.symbol != request.symbol or order.side == request.side or order.state is OrderState.SUSPENDED:
            continue
        theirs = order.limit_px if order.kind == "limit" else None
        if ours is None or theirs is None or (ours - theirs) * sign >= 0:
            nearest = None
            if ours is not None and theirs is not None:
                edge = theirs - sign * rules.price_step(theirs)
                nearest = floor_px(edge, rules) if sign > 0 else ceil_px(edge, rules)
            text = f"It could trade with this account's own order {order.client_order_id}, which the venue forbids."
            yield Problem("wash_trade", f"{text} Cancel that one first.", "side", nearest)
            return


def _means(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    sign = 1 if request.side == "BUY" else -1
    if known.held * sign < 0:
        yield from _reduction(request, rules, known)
        return
    if request.order_class == "oco":
        yield Problem("invalid", f"An OCO closes a position, and none in {rules.symbol} is held.", "order_class")
        return
    if sign < 0 and known.is_spot:
        yield Problem("insufficient_qty", f"There is no {rules.base or rules.symbol} to sell.", "qty")
        return
    if sign < 0 and (not rules.shortable or (known.money is not None and not known.money.may_short)):
        text = "This account may not sell short." if rules.shortable else f"{rules.symbol} cannot be sold short here."
        yield Problem("no_short", text, "side")
        return
    px = request.limit_px or request.stop_px or request.take_profit
    if px is None:
        quote = known.ask if sign > 0 else known.bid
        px = None if (quote or known.last) is None else (quote or known.last or ZERO) * MARKET_MARGIN
    if px is None or known.money is None or request.qty * px <= known.money.buying_power:
        return
    nearest = steps.floor_qty(max(known.money.buying_power, ZERO) / px, rules)
    text = (
        f"It costs {plain((request.qty * px).quantize(Decimal('0.01')))} {rules.quote}, and "
        f"{plain(known.money.buying_power)} can be spent beside the orders that are open."
    )
    yield Problem("buying_power", text, "qty", nearest)


def _reduction(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """What reduces a position may be no larger than what no other exit holds."""
    if request.order_class in ("bracket", "oto"):
        yield Problem("invalid", f"A {request.order_class} opens a position; this would close one.", "order_class")
    free = abs(known.held) - held_for_orders(known.open_orders, request.symbol, known.held)
    if request.qty > free:
        left, taken = max(free, ZERO), abs(known.held) - free
        text = f"{plain(left)} {rules.symbol} can be closed: other exits hold {plain(taken)}."
        yield Problem("insufficient_qty", text, "qty", steps.floor_qty(left, rules))


def held_for_orders(orders: Iterable[BrokerOrder], symbol: str, held: Decimal) -> Decimal:
    """Units that exits hold. The stop of a group holds nothing more: Alpaca says so of it, and at Binance it has the
    name of the order that it was sent with, and a suffix.
    """
    side = "SELL" if held > 0 else "BUY"
    exits = [order for order in orders if order.symbol == symbol and order.side == side]
    names = {order.client_order_id for order in exits}
    own = [o for o in exits if o.state is not OrderState.SUSPENDED and o.client_order_id.removesuffix("-s") not in
           names - {o.client_order_id}]  # fmt: skip
    return sum((order.qty - order.filled for order in own), ZERO)


def _count(request: OrderRequest, rules: InstrumentRules, known: Known) -> Iterator[Problem]:
    """How many orders, and how many of them stops, may be open in one symbol."""
    orders = [order for order in known.open_orders if order.symbol == request.symbol]
    stops = [order for order in orders if order.stop_px is not None]
    is_oco, is_stop = request.order_class == "oco", request.kind in ("stop", "stop_limit")
    for name, most, open_now, new in (
        ("orders", rules.max_orders, len(orders), 1 + is_oco),
        ("stops", rules.notes.get("max_stops"), len(stops), int(is_oco or is_stop)),
    ):
        if most is not None and new and open_now + new > most:
            text = f"{most} {name} may be open in {rules.symbol}; {open_now} are. Cancel one first."
            yield Problem("max_orders", text, "symbol")
