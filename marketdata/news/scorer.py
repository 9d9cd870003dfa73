"""How good or bad a headline is, word by word, by rule: the same text has the same score on every machine.

The rules are those of VADER (Hutto and Gilbert, "VADER: a parsimonious rule-based model for sentiment analysis of
social media text", ICWSM 2014) over a list of words of finance (`lexicon`): each known word is worth -4 to 4, a
negation before it turns it around, an adverb makes it stronger or weaker, what follows a "but" counts more. One rule is
added: words of direction take their sign from what moves ("losses narrow" is good, "margins narrow" is bad). Plain
Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from marketdata.news import lexicon

VERSION = "words-1"
"""Changes with every change of a word or a rule; each stored score names the one that made it."""
GIVEN = "given"
"""The scorer's name of a score that came with the item."""

_ALPHA = 15.0
_NEGATED = -0.74
_DEGREE = 0.293
_BEFORE_BUT, _AFTER_BUT = 0.5, 1.5
_REACH = 4  # words between a move and what moves
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9&]*(?:['’-][A-Za-z0-9]+)*")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Part:
    """What one word or phrase adds. text: as written. value: after every rule. why: the rules that changed it."""

    text: str
    value: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """value: -1 (bad) to 1 (good), four decimals; 0 where no word is known. parts: in the order of the text."""

    value: float
    parts: tuple[Part, ...]


def score(title: str, summary: str = "") -> Score:
    """The score of a text: s / √(s² + 15), where s is the sum of its parts."""
    parts = tuple(part for text in (title, summary) for piece in _SENTENCE.split(text) for part in _parts(piece))
    total = math.fsum(part.value for part in parts)
    return Score(round(total / math.sqrt(total * total + _ALPHA), 4), parts)


@dataclass(slots=True)
class _Found:
    first: int
    last: int
    value: float
    why: list[str]


def _parts(sentence: str) -> Iterator[Part]:
    written = _TOKEN.findall(sentence)
    words = [word.lower().replace("’", "'") for word in written]
    found = list(_found(words))
    turn = None if "only" in words else next((i for i, word in enumerate(words) if word in lexicon.CONTRAST), None)
    for one in found:
        _negate(one, words)
        _grade(one, words)
        if turn is not None and 0 < turn < len(words) - 1:
            after = one.first > turn
            one.value *= _AFTER_BUT if after else _BEFORE_BUT
            one.why.append(f"{'after' if after else 'before'} “{words[turn]}”")
        yield Part(" ".join(written[one.first : one.last + 1]), round(one.value, 4), ", ".join(one.why))


def _found(words: list[str]) -> Iterator[_Found]:
    """Phrases, moves and words, the longest first, each word in one of them at most."""
    used = [False] * len(words)
    found: list[_Found] = []
    for length in range(min(lexicon.LONGEST_PHRASE, len(words)), 0, -1):
        for i in range(len(words) - length + 1):
            value = lexicon.PHRASES.get(tuple(words[i : i + length]))
            if value is not None and not any(used[i : i + length]):
                used[i : i + length] = [True] * length
                if value:
                    found.append(_Found(i, i + length - 1, value, []))
    for i, word in enumerate(words):
        if not used[i] and word in lexicon.MOVES and not _turns_around(words, i):
            moved = _moved(words, used, i)
            if moved is not None:
                used[i] = True
                found.append(moved)
    for i, word in enumerate(words):
        if not used[i] and word in lexicon.WORDS and not _turns_around(words, i):
            found.append(_Found(i, i, lexicon.WORDS[word], []))
    yield from sorted(found, key=lambda one: one.first)


def _moved(words: list[str], used: list[bool], i: int) -> _Found | None:
    """A word of direction, with the sign that the nearest thing that moves gives it; of two as near, the later one.

    None for a word of many meanings where nothing moves.
    """
    value, near = lexicon.MOVES[words[i]], None
    for distance in range(1, _REACH + 1):
        for k in (i + distance, i - distance):
            inside = 0 <= k < len(words) and not used[k]
            if near is None and inside and (words[k] in lexicon.UNWANTED or words[k] in lexicon.WANTED):
                near = k
    if near is None and words[i] in lexicon.NEEDS_A_THING:
        return None
    if near is None or words[near] in lexicon.WANTED:
        return _Found(i, i, value, [])
    used[near] = True  # it has had its say
    return _Found(i, i, -value, [f"of {words[near]}"])


def _turns_around(words: list[str], i: int) -> bool:
    return words[i] in lexicon.NEGATORS_BEFORE_TO and i + 1 < len(words) and words[i + 1] == "to"


def _negate(one: _Found, words: list[str]) -> None:
    for k in range(max(one.first - 3, 0), one.first):
        only = words[k] == "not" and words[k + 1] == "only"
        if (words[k] in lexicon.NEGATORS and not only) or _turns_around(words, k):
            one.value *= _NEGATED
            one.why.append(f"turned by “{words[k]}”")
            return


def _grade(one: _Found, words: list[str]) -> None:
    near = [*words[max(one.first - 2, 0) : one.first], *words[one.last + 1 : one.last + 2]]
    for word in near:
        sign = 1 if word in lexicon.STRONGER else -1 if word in lexicon.WEAKER else 0
        if sign:
            one.value += math.copysign(_DEGREE, one.value) * sign
            one.why.append(f"{'stronger' if sign > 0 else 'weaker'} by “{word}”")
            return
