"""The default embedder: hashed TF-IDF over words and the character n-grams within them.

Nothing is learned and nothing downloaded. A text's features are its words, stemmed by cutting
common endings, and the n-grams of each word, which tie "ordinals" to "ordinal(111)". Words that
any task could hold count little: with two texts at hand their rarity cannot be measured.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from autopack.context.embedder import Calibration, Vectors

DIMENSIONS = 1 << 15
GRAMS = (3, 4, 5)
GRAM_WEIGHT = 0.35
"""What an n-gram counts beside a word; a word of eight letters has some twenty of them."""

_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ENDING = re.compile(r"(?:ations?|ings?|ers?|ed|es|s|ly|ments?)$")

_STOP = frozenset(
    """
a about above after all also an and any are as at be been before below between both but by can
could do does down each every few for from get had has have here how if in into is it its just
like more most must no nor not of off on once one only or other our out over own per same should
so some such than that the their them then there these they this those through to too under until
up use used using very was we were what when where which while who why will with within without
would you your
""".split()  # noqa: SIM905 - a hundred words read better as words
)
_COMMON = """
add allow application apply app behaviour bug build call case change check class clean code
command config correct create data default delete document ensure error example existing extend
feature field file fix function handle implement improve include interface introduce keep library
list make manage method module move name new number option page project provide read refactor
remove rename replace return rewrite run section server service set show simple start step
support system task test tests text time tool type update user users value version view work
write
"""
COMMON_WEIGHT = 0.4


class TfIdf:
    """Embeds texts by their words and n-grams; rows of length 1."""

    name = "tfidf"
    calibration = Calibration(threshold=0.08)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text."""
        rows = np.zeros((len(texts), DIMENSIONS))
        for row, text in zip(rows, texts, strict=True):
            for feature, weight in _features(text).items():
                row[zlib.crc32(feature.encode("utf-8")) % DIMENSIONS] += weight
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(lengths > 0, lengths, 1.0)


def _features(text: str) -> dict[str, float]:
    """Return each word and n-gram with its weight: damped frequency times what its word is
    worth.
    """
    weights: Counter[str] = Counter()
    for word, count in Counter(_words(text)).items():
        worth = (1.0 + np.log(count)) * (COMMON_WEIGHT if word in _COMMON_STEMS else 1.0)
        weights[f"w {word}"] += worth
        for gram in _grams(word):
            weights[f"g {gram}"] += worth * GRAM_WEIGHT
    return dict(weights)


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(_CAMEL.sub(" ", text)):
        lower = word.lower()
        if lower not in _STOP:
            yield _stem(lower)


def _stem(word: str) -> str:
    stem = _ENDING.sub("", word)
    return stem if len(stem) >= 3 else word


def _grams(word: str) -> Iterator[str]:
    padded = f"<{word}>"
    for size in GRAMS:
        yield from (padded[at : at + size] for at in range(len(padded) - size + 1))


_COMMON_STEMS = frozenset(_stem(word) for word in _COMMON.split())
