"""Is this edge, or luck? The tests behind the robustness passport.

    examine(study, trials=12, seed=7)  # every test with its verdict, its figure, its limits and a sentence

Everything but `trials` and `gate` is plain Python and NumPy over engine results: no Django, no clock, and no randomness
without a seed. What the tests say to people is in docs/robustness.md.
"""

from __future__ import annotations

from typing import Final

# Counts up when a test, a limit or a draw changes: two passports compare only where it is the same.
VERSION: Final = 1
