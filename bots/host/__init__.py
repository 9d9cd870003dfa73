"""The session host: one long-lived task a trading worker, which leases sessions and runs them side by side."""
