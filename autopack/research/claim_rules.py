"""What the words of a claim ask of its quotation: its numbers, and "there is no"."""

from __future__ import annotations

import re
import unicodedata

# A sign belongs to a number where no operand stands before it. Thousands may be grouped; other
# commas stand between numbers.
_NUMBER = re.compile(
    r"(?:(?<![^\s(\[{=<>,:])[-\u2212])?"
    r"(?:\d{1,3}(?:[,_]\d{3})+(?![\d_]|,\d)(?:\.\d+)?|\d+(?:\.\d+)*)"
)
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"
_WORDS = {
    **{word: str(number) for number, word in enumerate(_SMALL.split())},
    **{word: str(10 * number) for number, word in enumerate(_TENS.split(), start=3)},
}
# Seldom a number: "one of them", "one should".
del _WORDS["one"]
_NEGATIONS = re.compile(
    r"\b(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|without|cannot|lacks?|lacking"
    r"|missing|absent|unsupported|unavailable|undocumented|undefined|nonexistent|impossible|unable"
    r"|isnt|doesnt)\b|n['\u2019]t\b",
    re.IGNORECASE,
)


def numbers_in(text: str) -> frozenset[str]:
    """Return the numbers of a text, written alike: "1,000" and "1_000" are "1000".

    Versions stay as they are: "3.10" is not "3.1". Small numbers may be words.
    """
    plain = unicodedata.normalize("NFKC", text)
    found = {_plainly(each[0]) for each in _NUMBER.finditer(plain)}
    words = re.findall(r"[a-z]+", plain.lower())
    return frozenset(found | {_WORDS[word] for word in words if word in _WORDS})


def negates(text: str) -> bool:
    """Return whether a text says that something is not so, or not there."""
    return _NEGATIONS.search(text) is not None


def _plainly(number: str) -> str:
    """Return a number without groups, and in the digits of ASCII, whatever its script has."""
    plain = number.replace("\u2212", "-").replace(",", "").replace("_", "")
    return "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in plain)
