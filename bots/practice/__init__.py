"""The practice venue: an exchange of our own on loopback that speaks the wire protocols of real brokers.

People rehearse live trading against it before any key is entered; tests use it as the oracle, because its ledger says
what really happened. Plain Python: no Django, no clock but the one it is given.

`exchange` is the core (accounts, orders, matching, money), `alpaca` and its siblings are languages it speaks, `faults`
what goes wrong on purpose, `server` the sockets.
"""
