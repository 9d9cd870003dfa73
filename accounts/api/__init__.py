"""The REST routes of accounts: logins, limits of risk, notifications."""
