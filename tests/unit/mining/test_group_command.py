"""What `autopack patterns group` reads, prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployments.cli import run_command

LINES = "KeyError: 'a'\nKeyError: 'b'\n\nopen /tmp/x failed\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "texts"


def grouped(file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, object]]]:
    assert run_command(["patterns", "group", str(file), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_lines_are_texts_in_their_order(file: Path, capsys) -> None:
    file.write_text(LINES)
    found = grouped(file, capsys)
    names = [each["signature"] for each in found["texts"]]
    assert len(names) == 3
    assert names[0] == names[1] != names[2]
    first = found["signatures"][0]
    assert (first["signature"], first["count"], first["sample"]) == (names[0], 2, "KeyError: 'a'")
    assert first["family"] == found["texts"][0]["family"]


def test_json_lines_may_hold_many_lines_each(file: Path, capsys) -> None:
    texts = ["Traceback (most recent call last):\n  x\nKeyError: 'a'", "KeyError: 'b'"]
    file.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    found = grouped(file, capsys)
    assert found["texts"][0] == found["texts"][1]


def test_an_empty_file_has_no_groups(file: Path, capsys) -> None:
    file.write_bytes(b"")
    assert grouped(file, capsys) == {"texts": [], "signatures": []}
    assert run_command(["patterns", "group", str(file)]) == 0


def test_bytes_control_characters_and_surrogates_are_grouped(file: Path, capsys) -> None:
    file.write_bytes(b"\xff\xfe boom\n" + rb'"""{{ \x00 ' + b"\x07\n")
    assert len(grouped(file, capsys)["texts"]) == 2
    file.write_text(json.dumps({"text": "\ud800 broke"}))
    assert len(grouped(file, capsys)["texts"]) == 1


def test_people_see_a_table(file: Path, capsys) -> None:
    file.write_text(LINES)
    assert run_command(["patterns", "group", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "KeyError: <*>" in shown
    assert "3 texts, 2 signatures, 2 families" in shown


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"text": "a"}\nnot json', "line 2 is not JSON"),
        ('{"text": "a"}\n{"other": 1}', "line 2 has no field `text`"),
        ('{"text": 3}', "line 1 has no field `text`"),
        ('{"text": "a"}\n["b"]', "line 2 has no field `text`"),
        (None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_line(
    file: Path, content: str | None, says: str, capsys
) -> None:
    if content is not None:
        file.write_text(content)
    assert run_command(["patterns", "group", str(file)]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
