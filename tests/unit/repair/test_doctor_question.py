"""What a doctor sees: the real error, bounded, without secrets."""

from __future__ import annotations

import pytest

from autopack.model.causes import Failure, FailureCause
from autopack.repair.doctor.api_doctor import provider_and_model
from autopack.repair.doctor.hide_secrets import redacted
from autopack.repair.doctor.question import Case, question


def case(**given: object) -> Case:
    base: dict[str, object] = {
        "goal": "Ordinals are right",
        "instructions": "Make ordinal(111) return 111th.",
        "failure": Failure(
            FailureCause.ASSERTION_FAILURE, "`pytest` exited with 1", "E  1 != 2", log="began"
        ),
        "diff": "+x = 1",
        "history": ["attempt 1: assertion_failure: no"],
        "commits": [("a" * 40, "before the run")],
        "allowed": [("ruff", "--fix", ".")],
    }
    return Case(**(base | given))  # pyright: ignore[reportArgumentType]


def test_everything_is_told() -> None:
    told = question(case())
    for words in (
        "Ordinals are right",
        "ordinal(111)",
        "assertion_failure: `pytest` exited with 1",
        "E  1 != 2",
        "began",
        "+x = 1",
        "attempt 1",
        "aaaaaaaaaaaa before the run",
        "ruff --fix .",
    ):
        assert words in told


def test_what_is_not_there_has_no_heading() -> None:
    assert "execute_fix" not in question(case(allowed=[]))


def test_the_end_of_an_error_is_kept_and_the_whole_is_bounded() -> None:
    long = "\u00e9" * 500_000
    failure = Failure(FailureCause.RUNTIME_ERROR, long, long + "the end", log=long)
    told = question(case(failure=failure, diff=long, instructions=long, history=[long] * 500))
    assert "the end" in told
    assert len(told.encode()) < 30_000


SECRETS = [
    # by shape
    "sk-ant-api03-abcdefghijklmnop1234",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAABCDEFGHIJKLMNOP",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop",
    # by the name beside it
    "hunter2hunter2",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_taken_out(secret: str) -> None:
    text = f"before\nDB_PASSWORD={secret}\nafter"
    assert secret not in redacted(text, {})
    assert redacted(text, {}).startswith("before\n")
    assert redacted(text, {}).endswith("\nafter")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://user:pa55word@host/db", "pa55word"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("it is correct-horse-battery", "correct-horse-battery"),
    ],
)
def test_secrets_in_their_places(text: str, secret: str) -> None:
    environ = {"MY_API_KEY": "correct-horse-battery", "HOME": "/root", "CI_TOKEN": "it"}
    found = redacted(text, environ)
    assert secret not in found


@pytest.mark.parametrize(
    "text", ["E  assert token == 'x'", "password must not be empty", "commit " + "a" * 40]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text, {"HOME": "/root"}) == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-haiku-4-5", "anthropic:claude-haiku-4-5"),
        ("gpt-5", "openai:gpt-5"),
        ("openrouter/x/y", "openrouter:x/y"),
        ("groq:llama", "groq:llama"),
        # as for builders: one table says whose a model is
        ("gemini-2.5-flash", "google:gemini-2.5-flash"),
        ("deepseek-chat", "deepseek:deepseek-chat"),
        ("grok-4", "xai:grok-4"),
        ("o4-mini", "openai:o4-mini"),
        ("a-model-of-our-own", "openai-chat:a-model-of-our-own"),
    ],
)
def test_models_are_named_with_their_provider(name: str, expected: str) -> None:
    assert provider_and_model(name) == expected
