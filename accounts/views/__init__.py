"""The pages of accounts: login, settings, notifications."""
