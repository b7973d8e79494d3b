"""Builders by name, and their options."""

from pathlib import Path

import pytest

from autopack.agents.registry import (
    DEFAULT_BUILDER,
    absolute_options,
    builder_class,
    builder_names,
    make_builder,
    parse_options,
    path_options,
)
from autopack.model.errors import BadInput, NotFound


def test_the_default_is_a_builder() -> None:
    assert DEFAULT_BUILDER in builder_names()


@pytest.mark.parametrize("name", builder_names())
def test_every_builder_goes_by_the_name_it_is_asked_for(name: str) -> None:
    assert builder_class(name).name == name


def test_a_builder_gets_its_options(tmp_path: Path) -> None:
    assert make_builder("script", {"recording": str(tmp_path)}).name == "script"


def test_a_misspelt_builder_is_answered_with_the_near_one() -> None:
    with pytest.raises(NotFound, match="'scrypt'") as refused:
        make_builder("scrypt", {})
    assert (refused.value.field, refused.value.hint) == ("builder", "did you mean script?")


def test_an_unknown_builder_is_answered_with_all_of_them() -> None:
    with pytest.raises(NotFound) as refused:
        make_builder("zzz", {})
    assert all(name in (refused.value.hint or "") for name in builder_names())


def test_an_option_that_a_builder_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no option 'speed'") as refused:
        make_builder("script", {"recording": str(tmp_path), "speed": "fast"})
    assert "recording" in (refused.value.hint or "")


# what is typed, and the option it is
@pytest.mark.parametrize(
    ("pair", "option"),
    [
        ("recording=dir", ("recording", "dir")),
        # only the first sign divides
        ("template=a=b", ("template", "a=b")),
        ("seed=", ("seed", "")),
        # a value keeps its spaces, a name does not need any
        ("template= x y ", ("template", " x y ")),
        (" recording =dir", ("recording", "dir")),
    ],
)
def test_an_option_is_a_name_and_a_value(pair: str, option: tuple[str, str]) -> None:
    assert parse_options([pair]) == dict([option])


def test_the_last_of_several_counts() -> None:
    assert parse_options(["seed=1", "seed=2"]) == {"seed": "2"}


@pytest.mark.parametrize("pair", ["", "recording", "=dir", "  =dir"])
def test_what_is_not_an_option_is_refused(pair: str) -> None:
    with pytest.raises(BadInput, match="is not KEY=VALUE") as refused:
        parse_options([pair])
    assert refused.value.field == "set"


@pytest.mark.parametrize("name", builder_names())
def test_every_option_says_what_it_is(name: str) -> None:
    rows = builder_class(name).options_class.rows()
    assert [row.name for row in rows if not row.description] == []
    secrets = {row.name for row in rows if row.is_secret}
    assert secrets == {row.name for row in rows if row.name.endswith(("api_key", "token"))}


def test_paths_are_seen_from_where_they_were_typed(tmp_path: Path) -> None:
    assert path_options("script/of-a-block") == {"recording"}
    typed = {"spec": "a/b.yaml", "seed": "1"}
    assert absolute_options("simulated", typed, tmp_path) == {
        "spec": str(tmp_path / "a" / "b.yaml"),
        "seed": "1",
    }
    assert absolute_options("simulated", {"spec": "/x"}, tmp_path) == {"spec": "/x"}
    assert absolute_options("simulated", {"spec": ""}, tmp_path) == {"spec": ""}
    # The name of a program is looked for on PATH.
    assert absolute_options("pi", {"executable": "pi"}, tmp_path) == {"executable": "pi"}


# what is typed for which builder, and how the refusal reads
@pytest.mark.parametrize(
    ("name", "option", "value", "hint"),
    [
        ("pi", "max_tokens", "many", "use a whole number of at least 1"),
        ("pi", "retries", "-1", "use a whole number of at least 0"),
        ("pi", "stall", "inf", "use a number of seconds above 0"),
        ("pi", "api", "soap", "use one of chat, messages, responses"),
        ("simulated", "seed", "never", "use a whole number of at least 0 or run"),
    ],
)
def test_a_value_that_cannot_be_read_says_what_can(
    name: str, option: str, value: str, hint: str
) -> None:
    with pytest.raises(BadInput) as refused:
        make_builder(name, {option: value})
    told = refused.value
    assert (told.field, told.message, told.hint) == (option, f"{option} is {value!r}", hint)
