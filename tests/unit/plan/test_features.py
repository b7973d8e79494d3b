"""Which features are on: kill switches, the command line, the plan and the environment."""

import pytest

from autopack.model.errors import BadInput
from autopack.plan import Feature, kill_switches, resolve_features

F = Feature.FAILURE_HARDENING
P = Feature.PHASE6_METRICS
F_ON = {"AUTOPACK_ENABLE_FAILURE_HARDENING": "true"}
F_OFF = {"AUTOPACK_ENABLE_FAILURE_HARDENING": "false"}


@pytest.mark.parametrize(
    ("plan", "enable", "disable", "environ", "on"),
    [
        ([], [], [], {}, set()),  # everything is off by default
        ([F], [], [], {}, {F}),  # the plan turns on
        ([], [F], [], {}, {F}),  # the command line turns on
        ([P], [F], [], {}, {P, F}),  # and adds to the plan
        ([F, P], [], [F], {}, {P}),  # the command line beats the plan
        ([], [], [F], {}, set()),  # turning off what is off is no error
        ([F], [F], [], F_OFF, set()),  # the kill switch beats everything
        ([F, P], [], [], F_OFF, {P}),  # and only what it names
        ([], [], [], F_ON, {F}),  # the variable decides for a run that does not say
        ([P], [], [], F_ON, {P}),  # but not for a plan that does
        ([], [P], [], F_ON, {F, P}),  # --enable speaks of that feature only
        ([], [], [F], F_ON, set()),  # --disable beats the variable
        ([F, F], [F], [], {}, {F}),  # said twice is said once
    ],
)
def test_who_beats_whom(plan, enable, disable, environ, on):
    assert resolve_features(plan=plan, enable=enable, disable=disable, environ=environ) == on


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "TRUE", " Yes "])
def test_words_for_true(word):
    environ = {"AUTOPACK_ENABLE_PHASE6_METRICS": word}
    assert resolve_features(plan=[], enable=[], disable=[], environ=environ) == {P}


@pytest.mark.parametrize("word", ["0", "false", "no", "off", "OFF"])
def test_words_for_false(word):
    environ = {"AUTOPACK_ENABLE_PHASE6_METRICS": word}
    assert resolve_features(plan=[P], enable=[], disable=[], environ=environ) == set()


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({"plan": ["speed"]}, "features", "'speed' is not a feature"),
        ({"enable": ["failure_hardning"]}, "--enable", "did you mean failure_hardening?"),
        ({"disable": ["FAILURE_HARDENING"]}, "--disable", "is not a feature"),
        ({"enable": [F], "disable": [F]}, "--disable", "is given to --enable too"),
        (
            {"environ": {"AUTOPACK_ENABLE_PHASE6_METRICS": "maybe"}},
            "AUTOPACK_ENABLE_PHASE6_METRICS",
            "is 'maybe'",
        ),
    ],
)
def test_errors_name_the_option_or_variable(given, field, says):
    everything = {"plan": [], "enable": [], "disable": [], "environ": {}}
    with pytest.raises(BadInput) as caught:
        resolve_features(**(everything | given))
    assert caught.value.field == field
    assert says in caught.value.message
    assert caught.value.hint


def test_unknown_and_empty_variables_are_ignored():
    environ = {"AUTOPACK_ENABLE_WARP": "maybe", "AUTOPACK_ENABLE_PHASE6_METRICS": ""}
    assert resolve_features(plan=[P], enable=[], disable=[], environ=environ) == {P}


def test_kill_switches_list_every_feature():
    assert kill_switches(F_OFF) == {feature: feature is F for feature in Feature}
    assert not any(kill_switches(F_ON).values())


def test_kill_switches_refuse_a_bad_value():
    with pytest.raises(BadInput, match="AUTOPACK_ENABLE_PHASE6_METRICS"):
        kill_switches({"AUTOPACK_ENABLE_PHASE6_METRICS": "2"})
