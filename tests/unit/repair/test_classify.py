"""What failed attempts died of, as far as their exit status, output and diff tell."""

import json
import runpy
from pathlib import Path

import pytest

from autopack.model.causes import POLICIES, FailureCause
from autopack.model.states import RunState
from autopack.repair.classify.classifier import LONGEST_EVIDENCE, classify, classify_check

ERRORS = Path(__file__).parents[2] / "data/errors"
BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench/classify.py"))
PYTEST_RED = "=========================== short test summary info ===========================\n"

OUTPUTS = [
    # git
    ("patch_conflict", "error: patch failed: src/a.py:1\nerror: src/a.py: patch does not apply"),
    ("patch_conflict", "CONFLICT (content): Merge conflict in a.py"),
    ("patch_conflict", "error: corrupt patch at line 40"),
    # a builder that changed nothing
    ("empty_change", "Builder failed: empty_patch: builder produced no changes"),
    ("empty_change", 'error: No valid patches in input (allow with "--allow-empty")'),
    # Autopack's own verdicts
    ("out_of_scope", "Scope validation failed: loaded files outside scope.paths"),
    ("deliverable_missing", "Missing 4 required deliverables:\n  - a.py"),
    # providers
    ("rate_limit", "openai.RateLimitError: Error code: 429 - {'error': {}}"),
    ("rate_limit", "HTTP 429 Too Many Requests"),
    ("provider_error", "anthropic.BadRequestError: Error code: 400 - prompt is too long: 2 tokens"),
    ("provider_error", "anthropic.APIConnectionError: Connection error."),
    ("provider_error", "httpx.ConnectError: [Errno 11001] getaddrinfo failed"),
    # the machine
    ("environment", "OSError: [Errno 28] No space left on device"),
    ("environment", "sh: 1: cargo: not found"),
    ("environment", "The api_key client option must be set by passing api_key to the client"),
    # time
    ("timeout", "subprocess.TimeoutExpired: Command '['pytest']' timed out after 60 seconds"),
    ("timeout", "httpx.ConnectTimeout: timed out"),
    # the builder
    ("builder_error", "LLM output invalid format - expected JSON (stop_reason=max_tokens)"),
    # pytest: its summary decides, by number
    (
        "type_error",
        PYTEST_RED + "FAILED t.py::a - TypeError: x\nFAILED t.py::b - TypeError: y\n"
        "FAILED t.py::c - AssertionError: z\n== 3 failed in 0.1s ==",
    ),
    ("assertion_failure", PYTEST_RED + "FAILED t.py::a - assert 1 == 2\n=== 1 failed in 0.1s ==="),
    (
        "assertion_failure",
        "E       assert 1 == 2\n\nt.py:3: AssertionError\n=== 1 failed in 0.1s ===",
    ),
    ("runtime_error", "FAILED t.py::a - KeyError: 'author'"),
    # pytest could not collect
    (
        "collection_error",
        "E   ImportError: cannot import name 'A' from 'a'\n1 error during collection",
    ),
    ("collection_error", "collected 0 items\n\n=== no tests ran in 0.01s ==="),
    ("syntax_error", "E   SyntaxError: invalid syntax\n!!! Interrupted: 1 error during collection"),
    # a test run may print anything else: its verdict counts
    ("assertion_failure", "429 Too Many Requests\nFAILED t.py::test_limit - AssertionError: 429"),
    (
        "assertion_failure",
        "No space left on device\nE       assert 1 == 2\n=== 1 failed in 0.1s ===",
    ),
    # other runners
    ("assertion_failure", "AssertionError: 1 != 2\n\nRan 3 tests in 0.1s\n\nFAILED (failures=1)"),
    ("collection_error", "ImportError: Failed to import test module: t\nFAILED (errors=1)"),
    (
        "assertion_failure",
        "--- FAIL: TestAdd (0.00s)\n    add_test.go:7: got 1\nFAIL\nFAIL\ta\t0.1s",
    ),
    ("assertion_failure", "test result: FAILED. 1 passed; 1 failed; 0 ignored"),
    ("assertion_failure", "not ok 2 should add\n# fail 1"),
    ("runtime_error", "panic: index out of range\n--- FAIL: TestAdd (0.00s)"),
    ("collection_error", "  ● Test suite failed to run\n\n    Cannot find module './x'"),
    # compilers
    ("type_error", "a.ts(1,7): error TS2322: Type 'string' is not assignable to type 'number'."),
    ("syntax_error", "a.ts(1,7): error TS1005: ';' expected."),
    ("type_error", 'a.py:3: error: Argument 1 to "f" has incompatible type  [arg-type]'),
    ("type_error", "error[E0308]: mismatched types"),
    # exceptions of scripts and logs
    ("import_error", "ImportError: attempted relative import with no known parent package"),
    ("type_error", "Execution failed: f() got an unexpected keyword argument 'issues'"),
    ("runtime_error", "Execution failed: 'Executor' object has no attribute 'db'"),
    ("runtime_error", "sqlite3.OperationalError: no such table: phases"),
    # nothing to go by
    ("validation_failed", "lint: 3 problems"),
    ("validation_failed", "60 passed in 0.25s"),
    ("validation_failed", ""),
]


@pytest.mark.parametrize(("cause", "output"), OUTPUTS, ids=lambda value: value[:60])
def test_output_tells_the_cause(cause: str, output: str) -> None:
    assert classify(exit_status=1, output=output, diff="+x").cause == cause


# what a test may log without meaning the provider or the machine
LOGGED = [
    "EROFS: read-only file system, open '/x'",
    "Error: connect ECONNREFUSED 127.0.0.1:5432",
    "HTTP 429 Too Many Requests",
    '{"type":"error","error":{"type":"overloaded_error"}}',
    "openai.RateLimitError: Error code: 429",
    "anthropic.APIConnectionError: Connection error.",
    "OSError: [Errno 28] No space left on device",
    "fatal: Out of memory",
    "MemoryError",
    "sh: 1: frobnicate: not found",
    "getaddrinfo ENOTFOUND db.internal",
    "requests.exceptions.ConnectionError: refused",
    "urllib.error.HTTPError: HTTP Error 503: Service Unavailable",
    "invalid x-api-key",
    "deadline exceeded",
    "patch does not apply",
    "scope validation failed",
    "builder failed",
]
FRAMES = ["{}", "3 tests\n{}\nFAILED t.py::a - KeyError: 'x'", "ok\n{}\nmake: *** [test] Error 1"]


@pytest.mark.parametrize("words", LOGGED)
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("status", [1, 2, 134, 139, -11])
def test_a_checks_own_output_says_nothing_of_providers_or_the_machine(
    words: str, frame: str, status: int
) -> None:
    cause = classify_check(exit_status=status, output=frame.format(words), diff="+x").cause
    policy = POLICIES[cause]
    assert not policy.infrastructure
    assert policy.keeps_work
    assert policy.ends is RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        # said by the shell or the system, not by the program
        (127, "environment"),
        (126, "runtime_error"),
        (137, "environment"),
        (-9, "environment"),
        (-15, "environment"),
        (124, "timeout"),
        # crashes of the program
        (139, "runtime_error"),
        (-11, "runtime_error"),
        (-6, "runtime_error"),
        (1, "validation_failed"),
    ],
)
def test_of_the_machine_the_exit_status_speaks(status: int, cause: str) -> None:
    assert classify_check(exit_status=status, output="something", diff="+x").cause == cause


NAMED = [
    ("E   jinja2.exceptions.TemplateNotFound: a.html", "runtime_error"),
    ("E       _queue.Empty", "runtime_error"),
    ("E   django.http.response.Http404: no", "runtime_error"),
    ("FAILED t.py::a - app.models.User.DoesNotExist: User", "runtime_error"),
    ('Traceback:\n  File "a.py", line 1, in f\n    g()\nqueue.Full', "runtime_error"),
    (
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'
        "django.core.exceptions.ImproperlyConfigured: x",
        "runtime_error",
    ),
    ("java.lang.NoClassDefFoundError: a/B", "import_error"),
    ("error[E0432]: unresolved import `foo`", "import_error"),
    ("error[E0433]: failed to resolve: use of undeclared crate", "import_error"),
    ("error[E0463]: can't find crate for `x`", "import_error"),
    ("error[E0308]: mismatched types", "type_error"),
]  # fmt: skip


@pytest.mark.parametrize(("output", "cause"), NAMED, ids=lambda value: value[:40])
def test_an_exception_is_what_its_class_says(output: str, cause: str) -> None:
    assert classify_check(exit_status=1, output=output, diff="+x").cause == cause


EXITS = [
    # the exit status speaks only when the output does not
    (124, "", "timeout"),
    (127, "", "environment"),
    (126, "", "runtime_error"),
    (137, "", "environment"),
    (-9, "", "environment"),
    (1, "", "validation_failed"),
    (None, "", "validation_failed"),
    (137, "FAILED t.py::t - TypeError: x", "type_error"),
]


@pytest.mark.parametrize(("exit_status", "output", "cause"), EXITS)
def test_exit_status_speaks_last(exit_status: int | None, output: str, cause: str) -> None:
    assert classify(exit_status=exit_status, output=output).cause == cause


def test_empty_diff_is_an_empty_change_unless_something_else_explains_it() -> None:
    assert classify(exit_status=1, output="", diff="\n").cause is FailureCause.EMPTY_CHANGE
    assert classify(exit_status=1, output="HTTP 429", diff="").cause is FailureCause.RATE_LIMIT


def test_conflict_markers_in_the_diff_are_a_conflict() -> None:
    diff = "+<<<<<<< HEAD\n+a\n+=======\n+b\n+>>>>>>> main\n"
    assert classify(exit_status=1, output="", diff=diff).cause is FailureCause.PATCH_CONFLICT


def test_evidence_is_the_line_that_speaks_for_the_cause() -> None:
    found = classify(exit_status=1, output="one\nE   TypeError: two\nthree\n" + "x" * 1000)
    assert found.evidence == "E   TypeError: two"


def test_evidence_is_bounded() -> None:
    found = classify(exit_status=1, output="TypeError: " + "x" * 1000)
    assert len(found.evidence) == LONGEST_EVIDENCE


@pytest.mark.parametrize("name", BENCH["recorded"]())
def test_fewer_than_a_fifth_of_the_recorded_errors_stay_unknown(name: str) -> None:
    assert BENCH["unknown_share"](BENCH["recorded"]()[name]) < 0.2


def test_fifty_errors_are_sorted_as_a_reader_sorted_them() -> None:
    lines = (ERRORS / "read.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    wrong = [
        entry
        for entry in read
        if classify(exit_status=1, output=entry["output"]).cause != entry["cause"]
    ]
    assert len(read) == 50
    assert wrong == []


TEST_RUNS = {
    "matplotlib__matplotlib-24627": "assertion_failure",
    "pylint-dev__pylint-4551": "collection_error",
    "sphinx-doc__sphinx-7748": "assertion_failure",
    "sympy__sympy-15875": "assertion_failure",
}


@pytest.mark.parametrize(
    "path", sorted((ERRORS / "test_outputs").glob("*.txt")), ids=lambda p: p.stem
)
def test_recorded_test_run_has_its_cause_and_a_green_one_none(path: Path) -> None:
    output = path.read_text(encoding="utf-8")
    cause = TEST_RUNS.get(path.stem, "validation_failed")
    assert classify(exit_status=1, output=output).cause == cause
