"""Builders by name, and their options."""

from pathlib import Path

import pytest

from autopack.agents.registry import (
    DEFAULT_BUILDER,
    builder_class,
    builder_names,
    make_builder,
    parse_options,
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
