"""Who builds which phase: builders and ladders of models that a plan chooses."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopack.agents.crew import Crew, as_models, check_builders, run_ladder, stored_models
from autopack.model.errors import BadInput, PlanError
from autopack.model.fingerprint import digest, model_mapping
from autopack.plan.load import parse_plan
from autopack.plan.plan import Plan

LADDER = "models: {builder: [haiku, sonnet, opus]}\n"


def plan(*phases: str, more: str = "") -> Plan:
    listed = "\n".join(f"  - {{id: p{n}, instructions: do, {p}}}" for n, p in enumerate(phases))
    return parse_plan(f"goal: g\n{more}phases:\n{listed}\n")


def crew(of: Plan, name: str = "pi", *, model: str | None = None, **options: str) -> Crew:
    return Crew(of, name, options, as_models(model or of.models.builder))


def test_a_ladder_is_climbed_to_its_top_and_no_further() -> None:
    found = crew(plan("", more=LADDER))
    [phase] = found.plan.phases
    assert found.top(phase) == 2
    models = [found.at(phase, level).model for level in range(5)]
    assert models == ["haiku", "sonnet", "opus", "opus", "opus"]
    assert [found.at(phase, level).builder.model for level in (0, 2)] == ["haiku", "opus"]


def test_a_model_of_the_run_takes_the_place_of_the_plan_s_ladder() -> None:
    of = plan("", more=LADDER)
    found = crew(of, model="sonnet")
    assert found.ladder(of.phases[0]) == ("sonnet",)
    assert stored_models(of, "sonnet")["builder"] == "sonnet"
    assert run_ladder(stored_models(of, "haiku"), "haiku") == ("haiku",)
    assert run_ladder(stored_models(of, None), "haiku") == ("haiku", "sonnet", "opus")


@pytest.mark.parametrize(
    ("phase", "builder", "ladder"),
    [
        ("", "pi", ("haiku", "sonnet", "opus")),
        ("model: gpt-5", "pi", ("gpt-5",)),
        ("model: [a, b]", "pi", ("a", "b")),
        ("builder: pi", "pi", ("haiku", "sonnet", "opus")),
        # The run's models are another builder's: it has its own choice.
        ("builder: codex", "codex", (None,)),
        ("builder: codex, model: gpt-5", "codex", ("gpt-5",)),
        ("builder: codex, model: [a, b]", "codex", ("a", "b")),
    ],
)
def test_a_phase_may_choose(phase: str, builder: str, ladder: tuple[str | None, ...]) -> None:
    found = crew(plan(phase, more=LADDER))
    place = found.at(found.plan.phases[0], 0)
    assert (place.builder.name, found.ladder(found.plan.phases[0])) == (builder, ladder)
    assert (place.model, place.builder.model) == (ladder[0], ladder[0])


def test_options_of_another_builder_are_named_after_it() -> None:
    options = {"base_url": "http://a/v1", "codex.base_url": "http://b/v1", "codex.stall": "7"}
    found = Crew(plan("", "builder: codex"), "pi", options, ("m",))
    own, other = (found.at(phase, 0).builder for phase in found.plan.phases)
    assert (own.endpoint, other.endpoint) == ("http://a/v1", "http://b/v1")


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({"opencode.base_url": "http://a"}, "set", "no phase names the builder 'opencode'"),
        ({"pi.base_url": "http://a"}, "set", "no phase names the builder 'pi'"),
        ({"codex.speed": "9"}, "phases[1].builder", "no option 'speed'"),
        ({"codex.stall": "fast"}, "phases[1].builder", "stall is 'fast'"),
    ],
)
def test_options_of_another_builder_are_checked(
    options: dict[str, str], field: str, says: str
) -> None:
    found = Crew(plan("", "builder: codex"), "script", {"recording": ".", **options}, (None,))
    with pytest.raises(BadInput) as caught:
        found.check_options()
    assert caught.value.field == field
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        ("builder: codx", "phases[1].builder: there is no builder called 'codx'"),
        ("builder: pi/work", "phases[1].builder: 'pi/work' names a block"),
        ("builder: ../pi", "phases[1].builder: '../pi' names a block"),
        ("builder: Pi", "phases[1].builder: there is no builder called 'Pi'"),
    ],
)
def test_a_builder_that_there_is_not_is_an_error_of_the_plan(phase: str, says: str) -> None:
    with pytest.raises(PlanError) as caught:
        check_builders(plan("", phase))
    assert caught.value.message.startswith(says)
    assert caught.value.field == "phases[1].builder"


def test_what_a_phase_s_builder_lacks_is_told_of_the_phase(tmp_path: Path) -> None:
    of = plan("", "builder: command")
    options = {"command.template": "no-such-program {prompt_file}"}
    with pytest.raises(PlanError) as caught:
        Crew(of, "simulated", options, (None,)).check()
    assert caught.value.field == "phases[1].builder"
    assert "no-such-program" in caught.value.message
    with pytest.raises(PlanError) as caught:
        Crew(of, "simulated", {}, (None,)).check()
    assert (caught.value.hint or "").startswith("add --set command.template=")


def test_models_of_a_plan_that_chooses_nothing_mean_what_they_did() -> None:
    of = plan("", more="models: {builder: haiku}\n")
    said = {"builder": "haiku", "doctor_cheap": None, "doctor_strong": None}
    assert stored_models(of, None) == said
    assert model_mapping(stored_models(of, None), "haiku") == said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("models: {builder: [a, b]}", "models: {builder: [a, c]}"),
        ("models: {builder: [a, b]}", "models: {builder: [a, b], escalate_after: 3}"),
        ("models: {builder: [a, b]}", "models: {builder: a}"),
    ],
)
def test_every_part_of_the_choice_is_in_the_fingerprint(one: str, other: str) -> None:
    mine, theirs = (plan("", more=f"{text}\n") for text in (one, other))
    hashes = {digest(model_mapping(stored_models(of, None), "a")) for of in (mine, theirs)}
    assert len(hashes) == 2
    assert mine.plan_hash != theirs.plan_hash


def test_what_phases_choose_is_in_the_fingerprint() -> None:
    of = plan("builder: codex, model: [a, b]", "model: x", "")
    said = model_mapping(stored_models(of, None), None)
    assert said["phase p0"] == "builder codex, model a > b"
    assert said["phase p1"] == "model x"
    assert "phase p2" not in said
