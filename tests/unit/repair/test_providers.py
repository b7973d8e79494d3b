"""Whose fault a build's end was: by what the provider answered, else by the builder's own words."""

from __future__ import annotations

import pytest

from autopack.agents.protocol import BuildResult, BuildStatus, EndedBy
from autopack.model.causes import POLICIES, FailureCause
from autopack.repair.classify.provider_trouble import provider_failure, refusal, told_status

WAITS, STOPS, NEITHER = "waits", "stops", None

STATUSES = [
    (429, WAITS),
    (529, WAITS),
    *((status, WAITS) for status in (500, 502, 503, 504, 520, 524)),
    # of the moment, not of the request
    *((status, WAITS) for status in (408, 409, 423, 425)),
    # of the request: it will be refused again
    *((status, STOPS) for status in (400, 401, 402, 403, 404, 413, 422)),
]

WORDS = [
    # numbers that are no status
    ("it spent 36,504 tokens, and more", NEITHER),
    ("12,429 tokens", NEITHER),
    ("wrote 503 lines, 429 of them new", NEITHER),
    ("see issue 500 and line 502", NEITHER),
    ("exit code 1 after 504 s", NEITHER),
    # numbers that are called one
    ("HTTP 503", WAITS),
    ("status: 502", WAITS),
    ("API Error: 529 {}", WAITS),
    ("Error code: 429 - slow down", WAITS),
    ("Error code: 401 - bad key", STOPS),
    ("503 Service Unavailable", WAITS),
    ("404 {'error': 'no such model'}", STOPS),
    # names
    ("overloaded_error", WAITS),
    ("Too Many Requests", WAITS),
    ("connect ECONNREFUSED 127.0.0.1:4000", WAITS),
    ("Connection error.", WAITS),
    ("getaddrinfo ENOTFOUND api.example.com", WAITS),
    ("stream disconnected before completion", WAITS),
    ("TypeError: fetch failed", WAITS),
    ("We're currently experiencing high demand", WAITS),
    ("authentication_error: invalid x-api-key", STOPS),
    ("Invalid API key · Please run /login", STOPS),
    ("The model `gpt-9` does not exist", STOPS),
    ("unknown model: sonnet-11", STOPS),
    # no credit is not a limit that time lifts
    ("insufficient_quota: you exceeded your current quota", STOPS),
    ("Your credit balance is too low to access the API", STOPS),
    # of the builder itself
    ("Traceback: KeyError: 'x'", NEITHER),
    ("", NEITHER),
]


def kind(cause: FailureCause | None) -> str | None:
    return None if cause is None else (WAITS if POLICIES[cause].waits else STOPS)


def failed(evidence: str = "", **more: object) -> BuildResult:
    return BuildResult(BuildStatus.FAILED, 1, "summary", evidence=evidence, **more)  # pyright: ignore[reportArgumentType]


def judged(end: BuildResult, calls: int = 0, *, has_provider: bool = True) -> str | None:
    return kind(provider_failure(end, calls=calls, has_provider=has_provider))


@pytest.mark.parametrize(("status", "expected"), STATUSES)
def test_the_status_decides(status: int, expected: str) -> None:
    end = failed("503 or 401, says somebody", http_status=status, ended_by=EndedBy.PROVIDER)
    assert judged(end) == expected


@pytest.mark.parametrize(("words", "expected"), WORDS)
def test_words_are_the_last_resort(words: str, expected: str | None) -> None:
    assert judged(failed(words)) == expected


@pytest.mark.parametrize("words", [words for words, expected in WORDS if expected])
def test_what_autopack_wrote_is_never_read(words: str) -> None:
    end = BuildResult(BuildStatus.FAILED, None, words, ended_by=EndedBy.AUTOPACK)
    assert judged(end) is None
    assert judged(BuildResult(BuildStatus.FAILED, 1, words)) is None


@pytest.mark.parametrize("words", [words for words, expected in WORDS if expected])
def test_an_agent_that_ended_well_may_say_anything(words: str) -> None:
    assert judged(BuildResult(BuildStatus.ENDED, 0, words, evidence=words), 3) is None


# calls that the build completed, whether its builder has a provider, what a timeout means then
@pytest.mark.parametrize(
    ("calls", "has_provider", "expected"),
    [(0, True, WAITS), (3, True, NEITHER), (0, False, NEITHER)],
)
def test_silence(calls: int, has_provider: bool, expected: str | None) -> None:
    end = BuildResult(
        BuildStatus.TIMED_OUT, None, "ran out of time after 429 s", ended_by=EndedBy.AUTOPACK
    )
    assert judged(end, calls, has_provider=has_provider) == expected


def test_a_conversation_that_grew_too_long_is_the_builders_own() -> None:
    end = failed("prompt is too long: 2 tokens", http_status=400, ended_by=EndedBy.PROVIDER)
    assert judged(end, 7) is None
    assert judged(end, 0) == STOPS


def test_a_provider_that_failed_without_a_status_is_waited_for() -> None:
    assert judged(failed("hm", ended_by=EndedBy.PROVIDER)) == WAITS


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (failed("HTTP 503"), 503),
        (failed("36,504 tokens"), None),
        (failed("HTTP 503", http_status=500), 500),
        (failed("HTTP 503", ended_by=EndedBy.AUTOPACK), None),
    ],
)
def test_the_status_that_is_kept(end: BuildResult, status: int | None) -> None:
    assert told_status(end) == status


@pytest.mark.parametrize(
    ("status", "words", "todo"),
    [
        (401, "bad", "check the key"),
        (404, "no model", "check the name of the model"),
        (400, "Your credit balance is too low", "add credit"),
        (418, "teapot", "read what it says"),
        (None, "not logged in", "check the key"),
    ],
)
def test_a_refusal_says_what_to_do(status: int | None, words: str, todo: str) -> None:
    said = refusal(words, status)
    assert todo in said
    assert words in said
