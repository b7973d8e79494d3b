"""Which phases a text has, in which order, and what is not work in it."""

import pytest

DOCUMENT = """# Correct ordinals

Ordinals of 11th to 13th are wrong since the last release.

## Goal
Every ordinal is right.

## Steps
1. Fix `ordinal` in inflection/__init__.py so that 111 gives "111th"
2. Add tests for 11, 12, 13 and 111 to test_inflection.py
3. Write docs/ordinals.md, after step 1

## Acceptance criteria
- the whole suite passes

## Non-goals
- no new dependencies

Do not touch pyproject.toml.

Run `pytest -q`.
"""


def steps(found) -> list[list[str]]:
    """What each phase does, without the context."""
    return [
        [line.removeprefix("- ") for line in phase.instructions.split("\n\n")[0].splitlines()]
        for phase in found.plan.phases
    ]


def needs(found) -> list[list[int]]:
    """The positions of the phases that each phase depends on."""
    ids = [phase.id for phase in found.plan.phases]
    return [[ids.index(each) for each in phase.depends_on] for phase in found.plan.phases]


def test_document_becomes_a_whole_plan(normalise) -> None:
    found = normalise(DOCUMENT)
    plan = found.plan
    assert plan.goal == "Every ordinal is right."
    assert plan.success_criteria == ("the whole suite passes",)
    assert plan.non_goals == ("no new dependencies", "Do not touch pyproject.toml.")
    assert [phase.scope.paths for phase in plan.phases] == [
        ("inflection/__init__.py",),
        ("test_inflection.py",),
        ("docs/ordinals.md",),
    ]
    assert {phase.scope.read_only for phase in plan.phases} == {("pyproject.toml",)}
    assert plan.phases[2].deliverables == ("docs/ordinals.md",)
    assert {phase.checks for phase in plan.phases} == {(("pytest", "-q"),)}
    assert needs(found) == [[], [0], [0]]
    assert found.confidence >= 0.9
    assert found.warnings == ()


def test_context_reaches_every_phase(normalise) -> None:
    for phase in normalise(DOCUMENT).plan.phases:
        assert "since the last release" in phase.instructions


GROUPS = [
    # a flat list is grouped by kind
    (
        "- Add user authentication\n- Create login endpoint\n- Update database schema",
        [["Add user authentication", "Create login endpoint"], ["Update database schema"]],
    ),
    # tests go with what they test
    ("- Fix ordinals\n- Add tests for ordinals", [["Fix ordinals", "Add tests for ordinals"]]),
    # numbered steps stand alone
    ("1. Fix ordinals\n2. Fix plurals", [["Fix ordinals"], ["Fix plurals"]]),
    ("1) Fix ordinals\n2) Fix plurals", [["Fix ordinals"], ["Fix plurals"]]),
    # a heading holds its list together
    (
        "# Plan\n## Users\n- Add a table\n- Add a login page\n## Docs\n- Describe it",
        [["Users:", "Add a table", "Add a login page"], ["Docs:", "Describe it"]],
    ),
    # so do several headings of the first level
    (
        "# Users\n- Add a table\n# Docs\n- Describe it",
        [["Users:", "Add a table"], ["Docs:", "Describe it"]],
    ),
    # and bold lines, and lines that end in a colon
    (
        "**Users**\n- Add a table\n\nDocs:\n- Describe it",
        [["Users:", "Add a table"], ["Docs:", "Describe it"]],
    ),
    # an item holds its items together
    (
        "1. Database\n   - Add a users table\n   - Add a migration\n2. API\n   - Add GET /users",
        [["Database:", "Add a users table", "Add a migration"], ["API:", "Add GET /users"]],
    ),
    # an item that goes on in the next line
    ("- Fix ordinals\n  of large numbers", [["Fix ordinals of large numbers"]]),
    # sentences and lines
    ("Fix ordinals. Please add a login page.", [["Fix ordinals"], ["Please add a login page"]]),
    (
        "Fix ordinals\nof large numbers\nAdd a login page",
        [["Fix ordinals of large numbers"], ["Add a login page"]],
    ),
    # one sentence with two steps
    ("Fix ordinals and then add a login page", [["Fix ordinals"], ["Add a login page"]]),
    # requirements and faults are work as well
    ("The parser must accept tabs.", [["The parser must accept tabs"]]),
    ("Ordinals of 11th to 13th are wrong.", [["Ordinals of 11th to 13th are wrong"]]),
    # done, doubled and vague items are not
    ("- [x] Fix plurals\n- [ ] Fix ordinals", [["Fix ordinals"]]),
    ("- Fix ordinals\n- fix ordinals.\n- FIX ORDINALS", [["Fix ordinals"]]),
    ("- Fix ordinals\n- etc\n- something", [["Fix ordinals"]]),
    # nor is what stands under other headings
    ("# Plan\n## Background\nWe fix bugs.\n## Work\n- Fix ordinals", [["Work:", "Fix ordinals"]]),
    # emphasis and links are only dress
    ("- **Fix** the [ordinals](http://example.com/a)", [["Fix the ordinals"]]),
    # no sentence ends at an abbreviation
    ("Fix ordinals, e.g. 11th and 12th.", [["Fix ordinals, e.g. 11th and 12th"]]),
    # Windows line ends
    ("- Fix ordinals\r\n- Add a login page\r\n", [["Fix ordinals"], ["Add a login page"]]),
]


@pytest.mark.parametrize(("text", "expected"), GROUPS, ids=lambda value: str(value)[:50])
def test_text_has_these_phases(text: str, expected: list[list[str]], normalise) -> None:
    assert steps(normalise(text)) == expected


ORDERS = [
    # numbers and numbered headings
    ("1. Fix ordinals\n2. Add a login page\n3. Write docs/a.md", [[], [0], [1]]),
    ("## Phase 1: Model\n- Add a table\n## Phase 2: API\n- Add a login endpoint", [[], [0]]),
    # bullets promise nothing
    ("- Fix ordinals\n- Add a login page", [[], []]),
    # order words
    ("Fix ordinals. Then add a login page.", [[], [0]]),
    ("- Fix ordinals\n- Finally, add a login page", [[], [0]]),
    ("Add the schema, then add a login page", [[], [0]]),
    # references by number and by what they are about
    ("1. Fix ordinals\n2. Add a login page\n3. Write docs/a.md (after step 1)", [[], [0], [0]]),
    (
        "- Add the login page\n- Write docs/a.md\n- Fix colours after the login page is done",
        [[], [], [0]],
    ),
    (
        "Add the login page. Fix ordinals. After adding the login page, write docs/a.md.",
        [[], [], [0]],
    ),
    ("- Write the client\n- Before the client, add a database table", [[1], []]),
    # a circle is cut open
    ("1. Fix ordinals (after step 2)\n2. Add a login page (after step 1)", [[1], []]),
]


@pytest.mark.parametrize(("text", "expected"), ORDERS, ids=lambda value: str(value)[:50])
def test_text_orders_its_phases(text: str, expected: list[list[int]], normalise) -> None:
    found = normalise(text)
    assert needs(found) == expected, steps(found)


# Titles of several words that each name what is no work; and what is not work in a list.
NO_WORK = [
    "## Backlog / later\n- Add `c.py`",
    "## Why not\n- Replace threading with asyncio",
    "## Future work & ideas\n- Add priorities",
    "## Background and motivation\n- Add ordinals, they said",
    "## Risks and mitigations\n- Add retries",
    "## Done / shipped\n- Add `a.py`",
    "## Erledigt und verworfen\n- Add `a.py`",
    "**Not in this PR:**\n- Add `c.py`",
    "**For a later release**\n- Add `c.py`",
    "- Fix `plurals.py` — done",
    "- We considered adding `kafka.py` but rejected it",
]


@pytest.mark.parametrize("text", NO_WORK)
def test_what_is_no_work_is_no_phase(text: str, normalise) -> None:
    found = normalise(f"# Ordinals\n\n- Fix ordinals in `inflection.py`\n\n{text}\n")
    assert steps(found) == [["Fix ordinals in `inflection.py`"]]


def test_circle_is_told(normalise) -> None:
    found = normalise("1. Fix ordinals (after step 2)\n2. Add a login page (after step 1)")
    assert any("wait for each other" in warning for warning in found.warnings)


GOALS = [
    ("Goal: right ordinals\n- Fix ordinals", "right ordinals"),
    ("# Right ordinals\n- Fix ordinals", "Right ordinals"),
    ("# TODO\n- Fix ordinals", "Fix ordinals"),
    ("- Fix ordinals\n- Add a login page", "Fix ordinals; Add a login page"),
]


@pytest.mark.parametrize(("text", "goal"), GOALS)
def test_text_has_this_goal(text: str, goal: str, normalise) -> None:
    assert normalise(text).plan.goal == goal


def test_ids_are_readable_and_unique(normalise) -> None:
    found = normalise("1. Add a table\n2. Add the table\n3. 修复序数 für alle")
    assert [phase.id for phase in found.plan.phases] == ["add-table", "add-table-2", "f-r-alle"]


def test_plan_from_text_has_a_small_budget(normalise) -> None:
    budget = normalise("Fix ordinals").plan.budget
    assert (budget.tokens, budget.phases) == (420_000, 10)


def test_long_lists_are_joined_and_told(normalise) -> None:
    found = normalise("\n".join(f"{n}. Fix the rule for case {n}" for n in range(1, 31)))
    assert len(found.plan.phases) == 10
    assert len(found.deliverables) == 20
    told = "\n".join(phase.instructions for phase in found.plan.phases)
    assert all(f"Fix the rule for case {n}" in told for n in range(1, 31))
    assert any("joined into 10 phases" in warning for warning in found.warnings)
    assert needs(found) == [[], *([n] for n in range(9))]
