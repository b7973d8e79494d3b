"""What an attempt answers for, against the results at the run's base commit."""

from __future__ import annotations

import pytest

from autopack.toolchains.baseline_results import answerable
from autopack.toolchains.runners import Results


def results(failed: str, ran: str | None = None, count: int | None = None) -> Results:
    names = None if ran is None else frozenset(ran.split())
    return Results(frozenset(failed.split()), names, count)


# before, now, deleted paths, whether every failure is ignored
@pytest.mark.parametrize(
    ("before", "now", "deleted", "ignored"),
    [
        # the same failures, or fewer
        (results("a b", "a b c"), results("a b", "a b c"), (), True),
        (results("a b", "a b c"), results("a", "a b c"), (), True),
        # more tests than before
        (results("a", "a c"), results("a", "a c new"), (), True),
        # a new failure, also of a new test or of another part of the same test
        (results("a", "a c"), results("a c", "a c"), (), False),
        (results("a", "a c"), results("a new", "a c new"), (), False),
        (results("a(i=1)", "a"), results("a(i=1) a(i=2)", "a"), (), False),
        # a test that passed before has no result now: the run broke off, or it was deleted
        (results("a", "a c"), results("a", "a"), (), False),
        (results("a", "a c"), results("a", "a d"), (), False),
        # but its whole file may have been
        (results("a", "a t.test_c::c"), results("a", "a"), ("t/test_c.py",), True),
        (results("a", "a t.test_c.C::c"), results("a", "a"), ("t/test_c.py",), True),
        (results("a", "a t.test_c::c"), results("a", "a"), ("t/test_d.py",), False),
        # where tests are not named, their number counts
        (results("a", None, 5), results("a", None, 5), (), True),
        (results("a", None, 5), results("a", None, 6), (), True),
        (results("a", None, 5), results("a", None, 4), (), False),
        (results("a", None, 5), results("a", None, None), (), False),
        (results("a", "a c", 2), results("a", None, 1), (), False),
        # findings of a linter have neither
        (results("a b"), results("a"), (), True),
        # nothing failed before
        (results(""), results("a"), (), False),
    ],
)
def test_what_an_attempt_answers_for(
    before: Results, now: Results, deleted: tuple[str, ...], ignored: bool
) -> None:
    assert (answerable(before, now, deleted) is None) is ignored


def test_it_says_what_is_missing() -> None:
    why = answerable(results("a", "a c d"), results("a", "a"))
    assert why == "2 tests that had a result before have none now: c, d"


def test_it_tells_new_failures_from_old_ones() -> None:
    assert answerable(results("a", "a c"), results("a c", "a c")) == "new failures: c"
