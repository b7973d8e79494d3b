"""How well drift from a goal is told, with either embedder."""

import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest

from autopack.context import THRESHOLD, Calibration, embedder_named, measure
from autopack.context.minilm import PACKAGE
from autopack.model.errors import BadInput

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench/drift.py"))
PAIRS = BENCH["pairs"]()
ALIGNED = np.array([pair["aligned"] for pair in PAIRS])


def scores(name: str) -> np.ndarray:
    return BENCH["cosines"](embedder_named(name), PAIRS)


def test_pairs_are_many_balanced_and_in_part_misleading() -> None:
    assert len(PAIRS) >= 80
    assert 0.4 < ALIGNED.mean() < 0.6
    assert sum(pair["misleading"] for pair in PAIRS) >= 10


def test_default_embedder_tells_drift() -> None:
    assert BENCH["auc"](scores("tfidf"), ALIGNED) >= 0.8


@pytest.mark.skipif(
    not (importlib.util.find_spec(PACKAGE) and importlib.util.find_spec("tokenizers")),
    reason="the extra autopack[minilm] is not installed",
)
def test_minilm_tells_drift_better() -> None:
    assert BENCH["auc"](scores("minilm"), ALIGNED) >= 0.9


def test_threshold_raises_few_false_alarms() -> None:
    embedder = embedder_named("tfidf")
    drifted = scores("tfidf") < embedder.calibration.threshold
    false, found = BENCH["rates"](drifted, ALIGNED)
    assert false <= 0.15
    assert found >= 0.85


def test_phase_of_the_goal_has_not_drifted() -> None:
    found = measure(
        "Ordinals of 11th to 13th are wrong",
        'Make ordinal(111) return "111th".',
        embedder=embedder_named(),
    )
    assert not found.drifted
    assert found.similarity is not None
    assert found.drift == pytest.approx(1 - found.similarity)


def test_phase_of_another_goal_has() -> None:
    found = measure(
        "Ordinals of 11th to 13th are wrong", "Add a dark theme", embedder=embedder_named()
    )
    assert found.drifted


def test_same_text_is_wholly_similar() -> None:
    found = measure("Fix ordinals", "Fix ordinals", embedder=embedder_named())
    assert found.similarity == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["", "…", "of the and"])
def test_text_without_words_cannot_have_drifted(text: str) -> None:
    found = measure("Fix ordinals", text, embedder=embedder_named())
    assert (found.similarity, found.drift, found.drifted) == (None, None, False)


def test_threshold_can_be_set() -> None:
    given = ("Fix ordinals of numbers", "Fix plurals of numbers")
    strict = measure(*given, embedder=embedder_named(), threshold=0.99)
    assert strict.drifted
    assert not measure(*given, embedder=embedder_named(), threshold=0.1).drifted


def test_calibration_meets_the_threshold_and_keeps_the_order() -> None:
    calibration = Calibration(threshold=0.2)
    scale = [calibration.similarity(cosine) for cosine in (-0.5, 0.0, 0.1, 0.2, 0.6, 1.0)]
    assert scale == pytest.approx([0.0, 0.0, 0.35, THRESHOLD, 0.85, 1.0])


def test_unknown_embedder_is_refused() -> None:
    with pytest.raises(BadInput, match="no embedder 'word2vec'"):
        embedder_named("word2vec")
