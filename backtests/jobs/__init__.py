"""What every kind of job has in common: the message that starts it (`queue`), the claim on its row (`claims`), its
heartbeat (`pulse`) and its ends (`ends`)."""
