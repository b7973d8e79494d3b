"""Names of runs, phases and processes."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from autopack.model.errors import BadInput
from autopack.model.ids import (
    check_id,
    is_valid_id,
    new_run_id,
    process_mark,
)

# what is asked, whether it is a name
NAMES = [
    ("a", True),
    ("0", True),
    ("fix-ordinals", True),
    ("v1.2_3-x", True),
    ("a" * 64, True),
    # a lock in the middle is harmless
    ("a.lock.b", True),
    ("a.locks", True),
    # length
    ("", False),
    ("a" * 65, False),
    # the first character
    ("-rf", False),
    (".hidden", False),
    ("_a", False),
    # git refuses these in a ref
    ("a..b", False),
    ("a.", False),
    ("a.lock", False),
    ("a~1", False),
    ("a^", False),
    ("a:b", False),
    ("a?", False),
    ("a*", False),
    ("a[0]", False),
    ("a@{0}", False),
    # another folder, another option, another line
    ("a/b", False),
    ("..", False),
    ("../x", False),
    ("a\\b", False),
    ("a b", False),
    ("a\n", False),
    ("a\x00", False),
    # one spelling on every file system
    ("A", False),
    ("é", False),
    ("\N{FULLWIDTH DIGIT ONE}", False),
]


@pytest.mark.parametrize(("name", "valid"), NAMES)
def test_names_are_safe_as_folder_and_as_ref(name: str, valid: bool) -> None:
    assert is_valid_id(name) is valid


def test_a_valid_name_is_given_back() -> None:
    assert check_id("one", "phases[0].id") == "one"


def test_a_wrong_name_is_refused_with_its_field_and_the_rule() -> None:
    with pytest.raises(BadInput, match=r"run_id: '\.\./x' is not a valid id") as refused:
        check_id("../x", "run_id")
    assert refused.value.field == "run_id"
    assert "a-z 0-9" in (refused.value.hint or "")


def test_new_run_ids_are_valid_readable_and_sorted_by_time() -> None:
    early, late = (
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
    )
    assert new_run_id(early).startswith("run-20260102-030405-")
    assert is_valid_id(new_run_id(early))
    assert new_run_id(early) < new_run_id(late)


def test_new_run_ids_of_one_second_differ() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({new_run_id(at) for _ in range(200)}) == 200


def test_a_process_keeps_its_mark() -> None:
    assert process_mark() == process_mark()
    assert process_mark().startswith(f"{os.getpid()}-")


def test_another_process_has_another_mark() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from autopack.model.ids import process_mark; print(process_mark())",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() != process_mark()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_has_a_mark_of_its_own() -> None:
    mine = process_mark()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, process_mark().encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() != mine
    os.close(reader)
