"""Binance's spot protocols, as the practice venue speaks them: REST with signatures, the WebSocket API.

`market` public prices and pairs, `signing` who asks, `trading` orders, `accounts` balances and trades, `shapes` the JSON
of orders, `filters` what a pair takes, `events` the account's stream.
"""
