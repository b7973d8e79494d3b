"""What the embedders make of single texts."""

import importlib.util

import numpy as np
import pytest

from autopack.context.minilm import PACKAGE, MiniLM
from autopack.context.tfidf import TfIdf

needs_minilm = pytest.mark.skipif(
    not (importlib.util.find_spec(PACKAGE) and importlib.util.find_spec("tokenizers")),
    reason="the extra autopack[minilm] is not installed",
)


def cosine(embedder, one: str, other: str) -> float:
    first, second = embedder.embed([one, other])
    return float(first @ second)


RELATED = [
    # inflected forms of a word
    ("paginate the lists", "pagination of a list"),
    # names as code spells them
    ("fix parseDate", "dates are parsed wrongly"),
    ("fix parse_date", "dates are parsed wrongly"),
    # numbers
    ("Ordinals of 11th to 13th", "ordinal(11)"),
]


@pytest.mark.parametrize(("one", "other"), RELATED)
def test_default_finds_related_words(one: str, other: str) -> None:
    assert cosine(TfIdf(), one, other) > 0.15


def test_default_is_the_same_in_every_process() -> None:
    # Python's own hash of a string differs from process to process.
    row = TfIdf().embed(["pagination"])[0]
    assert int(np.argmax(row)) == 1360


def test_words_of_any_task_count_little() -> None:
    common = cosine(TfIdf(), "Update the module", "Update the invoice")
    rare = cosine(TfIdf(), "Rewrite the invoice", "Update the invoice")
    assert common < rare


@needs_minilm
def test_minilm_gives_unit_vectors_of_384() -> None:
    vectors = MiniLM().embed(["one", "two words", ""])
    assert vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)


@needs_minilm
def test_minilm_knows_synonyms() -> None:
    embedder = MiniLM()
    assert cosine(embedder, "fix the car", "repair the automobile") > 0.6
    assert cosine(embedder, "fix the car", "bake a cake") < 0.3


@needs_minilm
def test_minilm_reads_the_first_256_tokens() -> None:
    embedder = MiniLM()
    text = "ordinal " * 400
    assert cosine(embedder, text, text + "and something else entirely") == pytest.approx(1.0)
