"""What the words of a claim ask of its quotation: its numbers, and "there is no"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal

# A sign belongs to a number where no operand stands before it. Thousands may be grouped; other
# commas stand between numbers.
_NUMBER = re.compile(
    r"(?:(?<![^\s(\[{=<>,:])[-\u2212])?"
    r"(?:\d{1,3}(?:[,_]\d{3})+(?![\d_]|,\d)(?:\.\d+)?|\d+(?:\.\d+)?[eE][+-]?\d+(?!\w)"
    r"|\d+(?:\.\d+)*)"
)
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {
    **{word: number for number, word in enumerate(_SMALL.split())},
    **{word: 10 * number for number, word in enumerate(_TENS.split(), start=2)},
}
_LARGE = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
# "twenty-one", "two hundred and five".
_WORD = rf"(?:{'|'.join([*_WORDS, *_LARGE])})\b"
_IN_WORDS = re.compile(rf"\b{_WORD}(?:(?:\s+and\s+|\s+|-){_WORD})*")
# "1.5 million" is one number.
_SCALED = re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?)[\s-]({'|'.join(_LARGE)})\b")
_NEGATIONS = re.compile(
    r"\b(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|without|cannot|lacks?|lacking"
    r"|missing|absent|unsupported|unavailable|undocumented|undefined|nonexistent|impossible|unable"
    r"|isnt|doesnt)\b|n['\u2019]t\b",
    re.IGNORECASE,
)


def numbers_in(text: str) -> frozenset[str]:
    """Return the numbers of a text, written alike: "1,000" and "1_000" are "1000".

    Versions stay as they are: "3.10" is not "3.1". Numbers may be words.
    """
    plain = _SCALED.sub(_scaled, unicodedata.normalize("NFKC", text).lower())
    found = {_plainly(each[0]) for each in _NUMBER.finditer(plain)}
    for each in _IN_WORDS.finditer(plain):
        if each[0] != "one":  # seldom a number: "one of them", "one should"
            found.update(map(str, _counted(re.findall(r"[a-z]+", each[0]))))
    return frozenset(found)


def negates(text: str) -> bool:
    """Return whether a text says that something is not so, or not there."""
    return _NEGATIONS.search(text) is not None


def _counted(words: Iterable[str]) -> Iterator[int]:
    """Yield the numbers of words that stand together: "two hundred and five" is one of them,
    "two and three" are two.
    """
    total = part = last = 0
    for word in words:
        if word in _LARGE:
            last = _LARGE[word]
            if last > 100:
                total, part = total + (part or 1) * last, 0
                continue
            if part >= 100:  # "one hundred and two hundred"
                yield total + part - part % 100
                total, part = 0, part % 100
            part = (part or 1) * last
        elif word in _WORDS:
            if 0 < last < 20 or (0 < last < 100 and _WORDS[word] >= 10):
                yield total + part
                total = part = 0
            last = _WORDS[word]
            part += last
    yield total + part


def _scaled(found: re.Match[str]) -> str:
    return f"{(Decimal(found[1]) * _LARGE[found[2]]).normalize():f}"


def _plainly(number: str) -> str:
    """Return a number without groups, and in the digits of ASCII, whatever its script has."""
    plain = number.replace("\u2212", "-").replace(",", "").replace("_", "")
    return "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in plain)
