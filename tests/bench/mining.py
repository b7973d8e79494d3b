"""Prints how well failure texts are grouped, and how fast stored failures are mined.

Run: python tests/bench/mining.py [--rows N]

Grouping accuracy (GA) is the share of texts whose group holds exactly the texts of their kind. The
failure texts and the log lines are those of tests/data/mining; both were at hand when the masks
were written, so that the figures say what is reached on known formats and not on others.
"""

import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.failure_texts import Labelled, failures, grouping_accuracy, log_lines

from autopack.mining.grouping import group


def accuracy(texts: list[Labelled]) -> tuple[float, float, int, int]:
    """GA of signatures and of families, and how many there are of each."""
    grouped = group(each.text for each in texts)
    family = {each.signature: each.family for each in grouped.groups}
    families = [family[signature] for signature in grouped.signatures]
    kinds = [each.kind for each in texts]
    return (
        grouping_accuracy(list(grouped.signatures), kinds),
        grouping_accuracy(families, kinds),
        len(grouped.groups),
        len(set(families)),
    )


def main() -> None:
    sets: dict[str, list[Labelled]] = defaultdict(list)
    for each in (*failures(), *log_lines()):
        sets[each.within].append(each)
    heads = ("n", "kinds", "GA signature", "groups", "GA family", "groups")
    print(f"{'texts':16}" + "".join(f"{head:>13}" for head in heads))
    found = []
    for name, texts in sets.items():
        by_signature, by_family, signatures, families = accuracy(texts)
        kinds = len({each.kind for each in texts})
        print(
            f"{name:16}{len(texts):>13}{kinds:>13}{by_signature:>13.3f}{signatures:>13}"
            f"{by_family:>13.3f}{families:>13}"
        )
        if name != "failures":
            found.append(by_family)
    print(f"log lines, mean GA of families: {sum(found) / len(found):.3f}")


if __name__ == "__main__":
    main()
