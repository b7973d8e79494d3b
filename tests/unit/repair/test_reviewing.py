"""What a reviewer's words come to, and what follows: nothing but an approval approves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autopack.model.causes import Failure, FailureCause
from autopack.repair.decide import MOST_ROUNDS, Decision, DecisionKind, Repair, Review, decide
from autopack.repair.facts import Facts, History, RepairState, ReviewFacts
from autopack.repair.review import Verdict, judged
from autopack.repair.review.diff_quotes import touches
from autopack.repair.review.review_precision import as_json, grouped
from autopack.repair.review.review_question import PROMPT_VERSION, Case, question
from autopack.store.reviews import ReviewRow

APPROVE, REJECT, INCONCLUSIVE = Verdict.APPROVE, Verdict.REJECT, Verdict.INCONCLUSIVE
DIFF = """\
diff --git a/src/sum.py b/src/sum.py
index 1111111..2222222 100644
--- a/src/sum.py
+++ b/src/sum.py
@@ -1,4 +1,5 @@
 def add(left: int, right: int) -> int:
-    return left + right
+    # Subtracting is adding the negative.
+    return left - right
 # Called once.
 TOTAL = add(1, 2)
@@ -20,2 +21,3 @@ def other() -> None:
 def twice(value: int) -> int:
+    return left - right
     return value * 2
diff --git a/docs/sum.md b/docs/sum.md
new file mode 100644
--- /dev/null
+++ b/docs/sum.md
@@ -0,0 +1,2 @@
+Sums are computed by subtraction.
+    # Subtracting is adding the negative.
"""


def finding(quote: str, path: str = "src/sum.py", problem: str = "it subtracts") -> dict[str, str]:
    return {"path": path, "quote": quote, "problem": problem}


def answer(verdict: Any, *findings: Any, **more: Any) -> str:
    return json.dumps({"verdict": verdict, "summary": "So.", "findings": findings} | more)


TWO_LINES = "-    return left + right\n+    # Subtracting is adding the negative."
RIGHT = answer("reject", finding(TWO_LINES))

# the reply, what it comes to, words of why
REPLIES: list[tuple[str, Verdict, str]] = [
    (answer("approve"), APPROVE, "So."),
    (answer("APPROVE"), APPROVE, "So."),
    (f"I looked at it.\n```json\n{answer('approve')}\n```\nThat is all.", APPROVE, "So."),
    (RIGHT, REJECT, "So."),
    # what is left empty, and lines quoted as they are
    (answer("approve", findings=None, summary=None), APPROVE, ""),
    (answer("reject", {"path": None, "quote": TWO_LINES, "problem": "no"}), REJECT, "So."),
    (RIGHT.replace("\\n", "\n"), REJECT, "So."),
    # silent
    ("", INCONCLUSIVE, "said nothing"),
    (" \n", INCONCLUSIVE, "said nothing"),
    # no answer
    ("Looks good to me!", INCONCLUSIVE, "not the JSON object"),
    ("approve", INCONCLUSIVE, "not the JSON object"),
    ('"approve"', INCONCLUSIVE, "not the JSON object"),
    ("{}", INCONCLUSIVE, "not the JSON object"),
    (answer("approve")[:-1], INCONCLUSIVE, "not the JSON object"),
    (answer("maybe"), INCONCLUSIVE, "verdict"),
    (answer(None), INCONCLUSIVE, "verdict"),
    (answer(True), INCONCLUSIVE, "verdict"),
    (answer("reject", findings="it is wrong"), INCONCLUSIVE, "findings"),
    ("[" * 100_000, INCONCLUSIVE, "not the JSON object"),
    ('{"a":' * 100_000, INCONCLUSIVE, "not the JSON object"),
    ('{"a":[1,' * 500 + " " * 100_000, INCONCLUSIVE, "not the JSON object"),
    ("if (a) { b }\n" * 1_000 + answer("approve"), APPROVE, "So."),
    # two answers
    (answer("approve") + RIGHT, INCONCLUSIVE, "more than one"),
    ('{"verdict": "reject", "verdict": "approve"}', INCONCLUSIVE, "not the JSON object"),
    (answer("approve") + "\n" + answer("approve"), APPROVE, "So."),
    # an answer inside of another object is none
    (json.dumps({"example": {"verdict": "approve"}}), INCONCLUSIVE, "not the JSON object"),
    # a rejection without findings that hold
    (answer("reject"), INCONCLUSIVE, "without a finding"),
    (answer("reject", finding("+    return left * right")), INCONCLUSIVE, "none of its findings"),
]


@pytest.mark.parametrize(("text", "verdict", "why"), REPLIES)
def test_what_a_reply_comes_to(text: str, verdict: Verdict, why: str) -> None:
    found = judged(text, DIFF)
    assert found.verdict is verdict
    assert why in found.why


# the quotation, in which file, whether it holds
QUOTES: list[tuple[str, str, bool]] = [
    ("+    # Subtracting is adding the negative.", "src/sum.py", True),
    ("+    # Subtracting is adding the negative.", "docs/sum.md", True),
    # without the mark in front
    ("    # Subtracting is adding the negative.", "src/sum.py", True),
    (" def twice(value: int) -> int:\n+    return left - right", "src/sum.py", True),
    (TWO_LINES, "src/sum.py", True),
    # the file as the diff names it, or as a reviewer does
    (TWO_LINES, "b/src/sum.py", True),
    (TWO_LINES, "./src/sum.py", True),
    (TWO_LINES, "`src/sum.py:2`", True),
    (TWO_LINES, "src/sum.py:2-3", True),
    (TWO_LINES, "src/sum", False),
    # in more than one place
    ("+    # Subtracting is adding the negative.", "", False),
    ("+    return left - right", "src/sum.py", False),
    # of another file, of a file that is not in the diff
    ("+Sums are computed by subtraction.", "src/sum.py", False),
    ("+Sums are computed by subtraction.", "sum.md", False),
    ("+Sums are computed by subtraction.", "", True),
    # altered, added to, taken away from
    ("+    # Subtracting is adding the negation.", "src/sum.py", False),
    ("+    # Subtracting is adding the negative.\n+    return left * right", "src/sum.py", False),
    ("# Subtracting is adding", "src/sum.py", False),
    # joined from two places, in another order
    (" TOTAL = add(1, 2)\n def twice(value: int) -> int:", "src/sum.py", False),
    ("+    return left - right\n+    # Subtracting is adding the negative.", "src/sum.py", False),
    # no lines of a change
    ("index 1111111..2222222 100644", "src/sum.py", False),
    ("+++ b/src/sum.py", "src/sum.py", False),
    ("", "src/sum.py", False),
    ("\n+\n", "src/sum.py", False),
]


@pytest.mark.parametrize(("quote", "path", "holds"), QUOTES)
def test_a_finding_counts_when_its_quotation_is_in_the_diff(
    quote: str, path: str, holds: bool
) -> None:
    found = judged(answer("reject", finding(quote, path)), DIFF)
    assert (found.verdict is REJECT) == holds
    assert (len(found.findings), len(found.dropped)) == (int(holds), int(not holds))


def test_what_does_not_hold_is_dropped_and_the_rest_counts() -> None:
    invented = finding("+    raise NotImplementedError")
    found = judged(answer("reject", invented, finding(TWO_LINES), finding("x", problem="")), DIFF)
    assert found.verdict is REJECT
    assert [one.quote for one in found.findings] == [TWO_LINES]
    assert len(found.dropped) == 2
    assert [one.after for one in found.findings[0].lines] == [None, 2]


LATER = """\
diff --git a/src/sum.py b/src/sum.py
--- a/src/sum.py
+++ b/src/sum.py
@@ -1,4 +1,4 @@
 def add(left: int, right: int) -> int:
     # Subtracting is adding the negative.
-    return left - right
+    return left + right
"""


@pytest.mark.parametrize(
    ("quote", "changed"),
    [
        ("+    # Subtracting is adding the negative.\n+    return left - right", True),
        ("-    return left + right", True),  # it was put back
        ("+    # Subtracting is adding the negative.", False),
        (" def twice(value: int) -> int:", False),
    ],
)
def test_the_next_attempt_changed_the_quoted_lines_or_not(quote: str, changed: bool) -> None:
    [one] = judged(answer("reject", finding(quote)), DIFF).findings
    assert touches(LATER, one.path, one.lines) == changed


COMPLETE, WAIT = DecisionKind.COMPLETE, DecisionKind.WAIT

# reviews of the phase, the verdict about this commit; what follows, and where a person is required
Follows = type[Repair] | DecisionKind
PASSED: list[tuple[int, Verdict | None, Follows, Follows]] = [
    (0, None, Review, Review),
    (1, None, Review, Review),
    # after two reviews there is no third
    (MOST_ROUNDS, None, COMPLETE, WAIT),
    (1, APPROVE, COMPLETE, COMPLETE),
    (2, APPROVE, COMPLETE, COMPLETE),
    (1, INCONCLUSIVE, COMPLETE, WAIT),
    (2, INCONCLUSIVE, COMPLETE, WAIT),
    # its failure is made of what was said, without asking again
    (1, REJECT, Review, Review),
    (2, REJECT, Review, Review),
]


@pytest.mark.parametrize(("rounds", "verdict", "optional", "required"), PASSED)
def test_what_follows_what_passes(
    rounds: int,
    verdict: Verdict | None,
    optional: Follows,
    required: Follows,
) -> None:
    for wanted, follows in ((False, optional), (True, required)):
        facts = ReviewFacts(rounds, verdict, "it is silent", required=wanted)
        step = decide(Facts(RepairState.of(None), review=facts))
        assert (step.kind if isinstance(step, Decision) else type(step)) is follows


def test_a_person_accepts_what_no_reviewer_approved() -> None:
    facts = ReviewFacts(1, INCONCLUSIVE, "it is silent", required=True, accepted="ann@host")
    step = decide(Facts(RepairState.of(None), review=facts))
    assert isinstance(step, Decision)
    assert step.kind is COMPLETE
    assert "accepted by ann@host" in step.reason


def test_a_rejection_is_a_failure_that_counts_and_keeps_the_work() -> None:
    failure = Failure(FailureCause.REVIEW_REJECTED, "the reviewer rejects the change: it subtracts")
    facts = Facts(RepairState.of(failure), history=History(1, 3), mitigates=True)
    step = decide(facts)
    assert isinstance(step, Decision)
    assert (step.kind, step.keep_work) == (DecisionKind.RETRY, True)
    last = decide(Facts(RepairState.of(failure), history=History(3, 3)))
    assert isinstance(last, Decision)
    assert last.kind is DecisionKind.STOP


SNAPSHOT = Path(__file__).parents[2] / "data" / "prompts" / "review.md"


def test_what_a_reviewer_is_told() -> None:
    """Raise PROMPT_VERSION with every change of the words: it is part of a run's fingerprint."""
    case = Case(
        goal="Sums are right",
        instructions="Make add(1, 2) return 3.",
        deliverables=["src/sum.py"],
        scope=["src/", "docs/"],
        read_only=["tests/"],
        diff=DIFF,
        checks=[("pytest", "-q", "-k", "a or b")],
        said="2 passed in 0.01s",
    )
    told = question(case)
    assert told == SNAPSHOT.read_text(encoding="utf-8")
    assert PROMPT_VERSION == "1"


def test_a_reviewer_is_measured_by_its_rejections() -> None:
    def review(verdict: str, *findings: dict[str, Any]) -> ReviewRow:
        return ReviewRow(
            id=1, run_id="r", phase_id="one", attempt=1, round=1, commit="c", reviewer="api",
            model="m", simulated=False, verdict=verdict, why="",  # pyright: ignore[reportArgumentType]
            findings=findings, dropped=[{"why": "no"}], notes=[],
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip

    found = [
        review("reject", {"changed": True, "person": "right"}, {"changed": False}),
        review("reject", {}),
        review("approve", {"changed": True, "person": "wrong"}),
        review("inconclusive"),
    ]
    [one] = map(as_json, grouped(found))
    assert (one["reviews"], one["approve"], one["reject"], one["inconclusive"]) == (4, 1, 2, 1)
    assert (one["findings"], one["dropped"]) == (3, 4)
    assert (one["changed"]["right"], one["changed"]["wrong"]) == (1, 1)
    assert one["changed"]["precision"] == 0.5
    assert one["person"]["precision"] == 1.0
    [unknown] = map(as_json, grouped([review("approve")]))
    assert unknown["changed"]["precision"] is None
    assert unknown["changed"]["interval"] is None
