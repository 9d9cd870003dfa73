"""What every kind of job has in common: how it is asked for (`submitting`) and read (`rows`), the message that starts
it (`queue`), the claim on its row (`claims`), its heartbeat (`pulse`), its ends (`ends`) and their words (`words`).
"""
