"""How live trading holds up under load and after a crash: real processes, real servers, loopback only.

`python -m bench.live bars --sessions 50 --minutes 2`. Each subcommand prints a table of targets with what was reached.
"""
