"""Feeds of real vendors: Alpaca, Polygon, Binance. Each gives the vendor's own closed bars, and trades to look at.

Bars are those that the vendor's history has, too, so that a session sees what a backtest will see; trades between
them are prices for pages and checks. One connection for each key, whatever the number of processes (`lease`).
"""
