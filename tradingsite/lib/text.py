"""Which text may enter the platform at all.

One rule for every door (JSON bodies, form fields, query parameters, path parts), because one poisoned string is enough:
PostgreSQL refuses NUL and lone surrogates where SQLite stores them, and a stored lone surrogate makes every later
answer that contains it fail. Directional overrides let a name pretend to be another one.
"""

from __future__ import annotations

import re

# C0 and C1 controls except tab, line feed, carriage return; surrogates; marks, embeddings, overrides and isolates of
# text direction; the two noncharacters that end each plane's list of reserved code points in the first plane.
_BAD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)


def bad_character(text: str) -> str | None:
    """The first character that may not enter, written ``U+0000``; None when the text is fine."""
    found = _BAD.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def printable(text: str, limit: int = 60) -> str:
    """`text` made safe to repeat in a message: bad characters escaped, cut to `limit` characters."""
    shown = _BAD.sub(lambda found: f"\\u{ord(found[0]):04x}", text[:limit])
    return shown + "…" if len(text) > limit else shown
