"""The ledger's events of a build."""

from dataclasses import replace
from decimal import Decimal

from autopack.ledger.events.build_events import builder_events
from autopack.model.calls import (
    Exactness,
    ModelCall,
)
from autopack.model.ids import AttemptKey
from autopack.store.usage_event import UsageEvent

SPLIT = ModelCall(
    "anthropic", "claude-sonnet-4-5", 1000, 700, 100, 50, 150, reasoning=20, response_id="msg_1"
)
TOTAL = ModelCall("anthropic", "claude-sonnet-4-5", 1000)


def events(*calls: ModelCall, run: str = "r", phase: str = "p", attempt: int = 1):
    return builder_events(calls, AttemptKey(run, phase, attempt))


def keys(found: list[UsageEvent]) -> list[str]:
    return [event.event_key for event in found]


def test_an_event_says_everything_the_call_does() -> None:
    (event,) = events(SPLIT, attempt=3)
    assert (event.run_id, event.phase_id, event.attempt) == ("r", "p", 3)
    assert (event.provider, event.model) == ("anthropic", "claude-sonnet-4-5")
    assert (event.role, event.category) == ("builder", "base")
    assert (event.total_tokens, event.input_tokens, event.output_tokens) == (1000, 700, 150)
    assert (event.cache_read_tokens, event.cache_write_tokens) == (100, 50)
    assert (event.reasoning_tokens, event.response_id) == (20, "msg_1")
    assert event.cost == Decimal("0.0045675")
    assert (event.is_doctor_call, event.doctor_model) == (False, None)


def test_a_call_of_only_a_total_has_no_split_and_no_price() -> None:
    (event,) = events(TOTAL)
    assert event.total_tokens == 1000
    assert {event.input_tokens, event.output_tokens, event.reasoning_tokens} == {None}
    assert {event.cache_read_tokens, event.cache_write_tokens} == {None}
    assert (event.cost, event.price_version) == (None, None)


def test_figures_counted_up_to_a_kill_are_marked() -> None:
    sources = [events(replace(SPLIT, exactness=exactness))[0].source for exactness in Exactness]
    assert sources == ["provider", "partial", "partial"]


def test_reading_the_same_spool_again_gives_the_same_keys() -> None:
    calls = (SPLIT, TOTAL, SPLIT, TOTAL)
    assert keys(events(*calls)) == keys(events(*calls))


def test_a_longer_spool_keeps_the_keys_of_its_beginning() -> None:
    calls = (SPLIT, TOTAL, SPLIT, TOTAL)
    assert keys(events(*calls[:2])) == keys(events(*calls))[:2]


def test_calls_that_look_alike_are_counted_one_by_one() -> None:
    assert len(set(keys(events(*[TOTAL] * 5, *[SPLIT] * 5)))) == 10


def test_an_answer_is_known_by_its_id_wherever_it_stands() -> None:
    other = replace(SPLIT, response_id="msg_2")
    assert keys(events(SPLIT, other)) == keys(events(other, SPLIT))[::-1]


def test_one_answer_in_two_places_is_two_calls() -> None:
    found = [
        *events(SPLIT),
        *events(SPLIT, attempt=2),
        *events(SPLIT, phase="q"),
        *events(SPLIT, run="s"),
        *events(replace(SPLIT, provider="a-gateway")),
    ]
    assert len(set(keys(found))) == 5


def test_no_calls_make_no_events() -> None:
    assert events() == []


def test_a_call_of_which_nothing_is_known_makes_no_event() -> None:
    blanks = [
        ModelCall("anthropic", "m", 0, exactness=exactness)
        for exactness in (Exactness.PARTIAL, Exactness.UNKNOWN)
    ]
    assert keys(events(*blanks, SPLIT, *blanks)) == keys(events(SPLIT))
    assert len(events(ModelCall("anthropic", "m", 0, 0, 0, 0, 0))) == 1  # it is known to be 0
    assert keys(events(blanks[0], TOTAL)) == keys(events(TOTAL, TOTAL))[1:]  # numbers stay
