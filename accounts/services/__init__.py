"""What changes accounts: users, their limits of risk, notifications, and the audit trail of it all."""
