"""Where orders go. `base` says what every venue offers; `paper` is the simulated one."""
