"""Alpaca's languages: trading REST, trade_updates, market data REST and stream. Facts: its public documentation."""
