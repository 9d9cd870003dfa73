"""Portfolio studies: weights by a method, what they promise, and what they would have done.

`request` reads what was asked and makes the run of the `allocation` strategy that it stands for, `caps` are the
account's limits on it, `study` is all of the work (plain Python over the optimiser and the engine), `claims` the
workers' side of the row, `job` one study in a worker; `services` and `selectors` are for pages, API and commands.
"""
