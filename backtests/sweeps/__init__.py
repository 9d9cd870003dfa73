"""Sweeps: one strategy over many combinations of its parameters and settings, in chunks that any worker may take.

`request` reads what was asked, `space` numbers the combinations, `drawing` says which of them a chunk has, `cells` runs
them (plain Python over the engine), `columns` stores what came out. `claims` is the workers' side of the rows, `job`
one chunk in a worker, `tasks` the queue; `services` and `selectors` are for pages, API and commands.
"""
