"""Prints how the classifier sorts the recorded error lines, and what share it leaves unknown.

Run: python tests/bench/classify.py [--unknown | --sample N]
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

from autopack.repair.classify.classifier import Classified, classify

ERRORS = Path(__file__).parents[1] / "data/errors"


def recorded() -> dict[str, list[str]]:
    """The recorded outputs by file; a test run counts as one output, a log line as another."""
    return {
        "error_messages.jsonl": _lines("error_messages.jsonl", "text"),
        "executor_error_lines.jsonl": _lines("executor_error_lines.jsonl", "message"),
        "pytest_collection_errors.json": [
            entry["longrepr"]
            for entry in json.loads((ERRORS / "pytest_collection_errors.json").read_text("utf-8"))
            if entry["longrepr"]
        ],
    }


def _lines(name: str, key: str) -> list[str]:
    text = (ERRORS / name).read_text(encoding="utf-8")
    return [json.loads(line)[key] for line in text.splitlines()]


def unknown_share(outputs: list[str]) -> float:
    """The share of ``outputs`` of which the classifier knows only that they failed."""
    return sum(not _sorted(output).is_known for output in outputs) / len(outputs)


def _sorted(output: str) -> Classified:
    return classify(exit_status=1, output=output)


def main() -> None:
    everything = [output for outputs in recorded().values() for output in outputs]
    if "--unknown" in sys.argv:
        print(*(o for o in everything if not _sorted(o).is_known), sep="\n---\n")
        return
    if "--sample" in sys.argv:
        size = int(sys.argv[sys.argv.index("--sample") + 1])
        for output in random.Random(size).sample(everything, size):
            print(f"{_sorted(output).cause:20} {output[:180]!r}")
        return
    counts = Counter(_sorted(output).cause for output in everything)
    print(f"{'cause':22}{'lines':>6}{'share':>8}")
    for cause, count in counts.most_common():
        print(f"{cause:22}{count:>6}{count / len(everything):>8.1%}")
    for name, outputs in recorded().items():
        print(f"{name}: {len(outputs)} lines, {unknown_share(outputs):.1%} unknown")
    print(f"all: {len(everything)} lines, {unknown_share(everything):.1%} unknown")


if __name__ == "__main__":
    main()
