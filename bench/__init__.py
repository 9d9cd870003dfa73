"""How fast the engine is: `python -m bench`, and `python -m bench.external` for comparison with other programs."""
