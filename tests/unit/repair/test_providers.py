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
    ("Insufficient Balance", STOPS),
    ("Insufficient credits. Add more at https://example.com/credits", STOPS),
    ("This request requires more credits, or fewer max_tokens.", STOPS),
    ("You have run out of credits", STOPS),
    ("Your account is not active, please check your billing details", STOPS),
    ("You exceeded your current quota, please check your plan and billing details.", STOPS),
    # where it can be paid for is also said of one that time lifts
    ("Rate limit reached: try again in 20s. See https://example.com/account/billing", WAITS),
    ("You exceeded your current quota, check your billing details. Please retry in 32.5s.", WAITS),
    # limits of subscriptions, in the words of several programs
    ("Claude AI usage limit reached|1735689600", WAITS),
    ("You've hit your limit · resets 3pm (Europe/Berlin)", WAITS),
    ("5-hour limit reached ∙ resets 7pm", WAITS),
    ("Weekly limit reached · resets Mon 9am", WAITS),
    ("You've hit your usage limit. Upgrade to Pro, or try again in 2 hours 15 minutes.", WAITS),
    ("You\u2019ve reached your usage limit for this model", WAITS),
    ("You have exhausted your capacity on this model. Your quota will reset after 3h.", WAITS),
    ("Resource has been exhausted (e.g. check quota).", WAITS),
    ("ThrottlingException: Too many tokens, please wait before trying again.", WAITS),
    ("40,000 tokens per minute are used up", WAITS),
    ("ServiceUnavailableException: it is unable to process your request.", WAITS),
    ("dial tcp: lookup api.example.com: no such host", WAITS),
    ("error sending request for url (https://x/v1/responses): operation timed out", WAITS),
    ("upstream connect error or disconnect/reset before headers", WAITS),
    ("The socket connection was closed unexpectedly", WAITS),
    # logins and keys
    ("OAuth token has expired. Please obtain a new token.", STOPS),
    ("Invalid bearer token", STOPS),
    ("API key not valid. Please pass a valid API key.", STOPS),
    ("No API key found for provider anthropic", STOPS),
    ("Your access token could not be refreshed because you have since logged out.", STOPS),
    ("Please run `codex login`", STOPS),
    ("Session expired. Please log in again.", STOPS),
    ("No auth credentials found", STOPS),
    ("OPENAI_API_KEY is not set", STOPS),
    ("The api_key must be set by setting the OPENAI_API_KEY environment variable", STOPS),
    ("Your organization has been disabled.", STOPS),
    ("There's an issue with the selected model (m-9). It may not exist.", STOPS),
    ("The 'm-9' model is not supported with this account", STOPS),
    # of the builder itself
    ("src/billing/invoice.py: error: no billing address", NEITHER),
    ("FAILED tests/test_limits.py::test_quota_resets - assert 3 == 4", NEITHER),
    ("the test of the expired token fails; the session limit is 5", NEITHER),
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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("insufficient_quota: try again in 20s", STOPS),
        ("You exceeded your current quota, please check your plan and billing details.", STOPS),
        ("Limit 30000 tokens per min. Try again in 20s, or see /account/billing", WAITS),
        ("Quota exceeded, check your billing details. Please retry in 32s.", WAITS),
    ],
)
def test_too_many_requests_may_mean_that_nothing_is_paid_for(words: str, expected: str) -> None:
    assert judged(failed(words, http_status=429, ended_by=EndedBy.PROVIDER)) == expected


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
