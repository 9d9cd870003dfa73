"""Brokers: where LIVE sessions trade. `base` says what each of them offers; nothing here knows a session or a row."""
