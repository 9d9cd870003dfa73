"""Binance's account by REST: balances, own trades, what came and went otherwise, and what a key may do."""

from __future__ import annotations

from bots.practice.alpaca.shapes import plain
from bots.practice.binance import shapes
from bots.practice.binance.listing import Listing
from bots.practice.binance.signing import Gate, Params
from bots.practice.exchange import Exchange
from bots.practice.orders import Account, Flow
from bots.practice.web import Answer, Routes

DAY_MS = 86_400_000
MOST_TRADES = 1_000


class Accounts:
    """The routes, over one exchange."""

    def __init__(self, exchange: Exchange, listing: Listing, gate: Gate) -> None:
        self.exchange, self.listing, self.gate = exchange, listing, gate

    def add_to(self, routes: Routes) -> None:
        self.gate.add(routes, "GET", "/api/v3/account", self.account, 20)
        self.gate.add(routes, "GET", "/api/v3/myTrades", self.trades, 20)
        self.gate.add(routes, "GET", "/sapi/v1/account/apiRestrictions", self.restrictions)
        self.gate.add(routes, "GET", "/sapi/v1/capital/deposit/hisrec", self.deposits)
        self.gate.add(routes, "GET", "/sapi/v1/capital/withdraw/history", self.withdrawals)
        self.gate.add(routes, "GET", "/sapi/v1/asset/assetDividend", self.dividends)

    def account(self, account: Account, params: Params) -> Answer:
        rows = shapes.balances(self.listing, account)
        if params.get("omitZeroBalances", "").lower() == "true":
            rows = {asset: held for asset, held in rows.items() if any(held)}
        fee = max((shapes.digits(p.instrument.fee_ratio) for p in self.listing.pairs.values()), default="0")
        return Answer.of({
            "makerCommission": 25,
            "takerCommission": 25,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": fee, "taker": fee, "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": not account.is_blocked,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": True,
            "updateTime": self.gate.now_ms(),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": shapes.digits(free), "locked": shapes.digits(locked)}
                for asset, (free, locked) in rows.items()
            ],
            "permissions": ["SPOT"],
            "uid": int(account.id[:8], 16),
        })  # fmt: skip

    def trades(self, account: Account, params: Params) -> Answer:
        """Oldest first: from fromId on, or from startTime for at most a day, else the newest."""
        pair = self.listing.pair(params.need("symbol"))
        limit = min(params.whole("limit", 500), MOST_TRADES)
        told = [
            shapes.trade(account, pair, row, execution)
            for row in account.orders.values()
            if row.request.symbol == pair.symbol
            for execution in row.executions
        ]
        told.sort(key=lambda row: row["id"])
        if params.get("orderId"):
            told = [row for row in told if row["orderId"] == params.whole("orderId")]
        if params.get("fromId"):
            return Answer.of([row for row in told if row["id"] >= params.whole("fromId")][:limit])
        if params.get("startTime"):
            first = params.whole("startTime")
            last = min(params.whole("endTime", first + DAY_MS), first + DAY_MS)
            return Answer.of([row for row in told if first <= row["time"] <= last][:limit])
        return Answer.of(told[-limit:])

    def deposits(self, account: Account, params: Params) -> Answer:
        """Newest first, as the two lists below."""
        return Answer.of([
            {"id": row.id, "amount": plain(row.amount), "coin": self.listing.currency, "network": "", "status": 1,
             "insertTime": shapes.ms(row.at), "completeTime": shapes.ms(row.at)}
            for row in _flows(account, params, "CSD")
        ])  # fmt: skip

    def withdrawals(self, account: Account, params: Params) -> Answer:
        return Answer.of([
            {"id": row.id, "amount": plain(-row.amount), "transactionFee": "0", "coin": self.listing.currency,
             "status": 6, "applyTime": f"{row.at:%Y-%m-%d %H:%M:%S}", "network": ""}
            for row in _flows(account, params, "CSW")
        ])  # fmt: skip

    def dividends(self, account: Account, params: Params) -> Answer:
        rows = [
            {"id": int(row.id[:8], 16), "amount": plain(row.amount), "asset": self.listing.currency,
             "divTime": shapes.ms(row.at), "enInfo": "Practice dividend", "tranId": int(row.id[:8], 16)}
            for row in _flows(account, params, "DIV")
        ]  # fmt: skip
        return Answer.of({"rows": rows, "total": len(rows)})

    def restrictions(self, account: Account, params: Params) -> Answer:
        return Answer.of({
            "ipRestrict": False,
            "createTime": 1_767_225_600_000,
            "enableReading": True,
            "enableSpotAndMarginTrading": not account.is_blocked,
            "enableWithdrawals": account.may_withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
        })  # fmt: skip


def _flows(account: Account, params: Params, what: str) -> list[Flow]:
    """Of one kind, between startTime and endTime, a page of `limit` from `offset` on."""
    first, last = params.whole("startTime", 0), params.whole("endTime", 10**18)
    found = [row for row in account.flows if row.what == what and first <= shapes.ms(row.at) <= last]
    skipped = params.whole("offset", 0)
    return found[::-1][skipped : skipped + min(params.whole("limit", MOST_TRADES), MOST_TRADES)]
