"""Trading at brokers: what a host does for LIVE sessions."""
