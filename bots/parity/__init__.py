"""Was what was tested what traded? A session's tape, run again through the backtester, and the two compared."""

from bots.parity.report import make

__all__ = ["make"]
