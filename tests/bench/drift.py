"""Prints how well each embedder tells phases that serve a goal from phases that do not.

Run: python tests/bench/drift.py [tfidf] [minilm]
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from autopack.context import THRESHOLD, Embedder, embedder_named

PAIRS = Path(__file__).parents[1] / "data/drift/pairs.jsonl"


def pairs() -> list[dict[str, Any]]:
    """The labelled pairs: goal, phase, whether the phase serves the goal."""
    return [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]


def cosines(embedder: Embedder, labelled: list[dict[str, Any]]) -> np.ndarray:
    goals = embedder.embed([pair["goal"] for pair in labelled])
    phases = embedder.embed([pair["phase"] for pair in labelled])
    return (goals * phases).sum(axis=1)


def auc(scores: np.ndarray, aligned: np.ndarray) -> float:
    """The chance that an aligned pair scores above a drifted one; ties count half."""
    above = scores[aligned][:, None] - scores[~aligned][None, :]
    return float((above > 0).mean() + (above == 0).mean() / 2)


def rates(drifted: np.ndarray, aligned: np.ndarray) -> tuple[float, float]:
    """The share of aligned pairs that raise an alarm, and of drifted ones that do."""
    return float(drifted[aligned].mean()), float(drifted[~aligned].mean())


def best_threshold(scores: np.ndarray, aligned: np.ndarray) -> float:
    """The cosine with the best detection rate minus false-alarm rate (Youden's J)."""
    ordered = np.unique(scores)
    candidates = (ordered[1:] + ordered[:-1]) / 2
    alarms = [rates(scores < candidate, aligned) for candidate in candidates]
    return float(candidates[int(np.argmax([found - false for false, found in alarms]))])


def held_out(scores: np.ndarray, aligned: np.ndarray, goals: list[str]) -> tuple[float, float]:
    """The rates when the threshold for a goal is chosen without that goal's own pairs."""
    drifted = np.zeros(len(scores), dtype=bool)
    for goal in set(goals):
        own = np.array([each == goal for each in goals])
        drifted[own] = scores[own] < best_threshold(scores[~own], aligned[~own])
    return rates(drifted, aligned)


def main() -> None:
    labelled = pairs()
    aligned = np.array([pair["aligned"] for pair in labelled])
    goals = [pair["goal"] for pair in labelled]
    print(f"{len(labelled)} pairs, {aligned.sum()} aligned, {len(set(goals))} goals")
    for name in sys.argv[1:] or ("tfidf", "minilm"):
        embedder = embedder_named(name)
        scores = cosines(embedder, labelled)
        similarity = np.array([embedder.calibration.similarity(score) for score in scores])
        false, found = rates(similarity < THRESHOLD, aligned)
        out_false, out_found = held_out(scores, aligned, goals)
        print(
            f"{name}: AUC {auc(scores, aligned):.3f}\n"
            f"  at similarity {THRESHOLD} (cosine {embedder.calibration.threshold}): "
            f"false alarms {false:.1%}, drift found {found:.1%}\n"
            f"  threshold chosen without the goal's own pairs: "
            f"false alarms {out_false:.1%}, drift found {out_found:.1%}"
        )


if __name__ == "__main__":
    main()
