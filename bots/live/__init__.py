"""What a host does for sessions that trade at a broker: the account's lease and connection, its orders and executions.

The engine decides as on paper; the broker takes the place of matching. `connection` is the account, `runner` a session.
"""
