"""Families: the tree equals the library's, and lines of logs are grouped by their templates."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from drain3.drain import Drain as Oracle
from support.failure_texts import Labelled, grouping_accuracy, log_lines

from autopack.mining.families.drain import WILD, Drain
from autopack.mining.families.families import families, words_of
from autopack.mining.grouping import group
from autopack.repair.signatures.signature import sign


def by_oracle(lines: list[list[str]], depth: int, similarity: float, children: int) -> list[int]:
    drain = Oracle(depth=depth, sim_th=similarity, max_children=children, param_str=WILD)
    return [drain.add_log_message(" ".join(line))[0].cluster_id - 1 for line in lines]


@pytest.mark.parametrize(
    ("depth", "similarity", "children"), [(4, 0.4, 100), (5, 0.6, 5), (3, 0.5, 100), (6, 0.3, 3)]
)
def test_the_tree_groups_as_the_library_does(depth: int, similarity: float, children: int) -> None:
    rng = random.Random(1)
    words = [f"w{n}" if n % 5 == 0 else chr(97 + n % 26) * (1 + n // 26) for n in range(40)]
    lines = [[rng.choice(words) for _ in range(rng.randint(0, 6))] for _ in range(2_000)]
    lines += [words_of(sign(each.text).normalised) for each in log_lines(of_each=4)]
    own = Drain(depth=depth, similarity=similarity, most_children=children)
    assert [own.add(line).number for line in lines] == by_oracle(lines, depth, similarity, children)


def test_log_lines_are_grouped_by_their_templates() -> None:
    systems: defaultdict[str, list[Labelled]] = defaultdict(list)
    for each in log_lines():
        systems[each.within].append(each)
    found = []
    for texts in systems.values():
        grouped = group(each.text for each in texts)
        family = {each.signature: each.family for each in grouped.groups}
        families_ = [family[signature] for signature in grouped.signatures]
        found.append(grouping_accuracy(families_, [each.kind for each in texts]))
    assert sum(found) / len(found) >= 0.9


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # Few plain words alternate: they are words of the message.
        (["cupsd startup succeeded", "cupsd shutdown succeeded"], [0, 1]),
        # What a word announces is a name, however few there are.
        (["session opened for user root now", "session opened for user admin now"], [0, 0]),
        # Many first words before the same message are names.
        (
            [f"{name} exited because of a signal" for name in ("ls", "sh", "cat", "awk")],
            [0, 0, 0, 0],
        ),
        # Nothing in brackets is another message than something.
        (["connection from <*> () at <*>", "connection from <*> (db) at <*>"], [0, 1]),
        ([], []),
        ([""], [0]),
    ],
)
def test_what_the_tree_cannot_tell_is_told(lines: list[str], expected: list[int]) -> None:
    assert families(lines) == expected


def test_the_same_lines_in_the_same_order_have_the_same_families() -> None:
    texts = [each.text for each in log_lines(of_each=6)]
    assert group(texts) == group(texts)
