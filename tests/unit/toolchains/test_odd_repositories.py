"""Repositories that are odd, huge or hostile are looked at all the same, and bring nothing down."""

import os
from pathlib import Path

import pytest
from support.manifests import PACKAGE, TEST

from autopack.toolchains.detect import USED_FROM, detect
from autopack.toolchains.tree import MAX_FILE_BYTES


def test_links_are_not_followed(lay, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "go.mod").write_text("module outside\n", encoding="utf-8")
    root = lay({"readme.md": ""})
    try:
        (root / "linked").symlink_to(outside)
        (root / "go.mod").symlink_to(outside / "go.mod")
        (root / "circle").symlink_to(root)
    except OSError:
        pytest.skip("links need a privilege here")

    assert detect(root) == ()


def test_a_huge_manifest_is_not_read(lay) -> None:
    root = lay({"package.json": '{"name": "' + "x" * MAX_FILE_BYTES + '"}'})

    (one,) = detect(root)

    assert one.evidence[0] == "package.json: cannot be parsed (larger than 2048 kB)"


def test_a_manifest_in_another_encoding_is_a_problem_not_an_error(lay) -> None:
    root = lay({})
    (root / "Cargo.toml").write_bytes('[package]\nname = "é"'.encode("latin-1"))

    assert "not UTF-8" in detect(root)[0].evidence[0]


def test_a_byte_order_mark_is_no_problem(lay) -> None:
    assert detect(lay({"package.json": "\ufeff" + PACKAGE}))[0].confidence > USED_FROM


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_is_not_opened(lay) -> None:
    root = lay({})
    os.mkfifo(root / "package.json")

    assert detect(root) == ()


def test_a_repository_of_many_folders_is_looked_at_up_to_a_bound(
    lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopack.toolchains.tree.MAX_FOLDERS", 3)
    root = lay({"a/x": "", "b/x": "", "c/go.mod": "module c\n", "go.mod": "module root\n"})

    assert [one.path for one in detect(root)] == ["."]


# manifests that parse, with values of the wrong type everywhere
WRONG_TYPES = [
    ("pyproject.toml", "project = 1\ntool = 2\nbuild-system = []\ndependency-groups = 'a'\n"),
    ("pyproject.toml", "[project]\nname = 1\ndependencies = 'a'\noptional-dependencies = []\n"),
    ("pyproject.toml", "[tool]\npoetry = []\nuv = 1\npytest = 2\n"),
    ("pyproject.toml", "[tool.uv.workspace]\nmembers = 'libs/*'\nexclude = [1]\n"),
    ("pyproject.toml", "[tool.poetry.dependencies]\na = 1\nb = [{version = 2}]\nc = '^x'\n"),
    (
        "pyproject.toml",
        "[dependency-groups]\ndev = [{include-group = 'dev'}, {include-group = 1}]\n",
    ),
    ("pyproject.toml", "[build-system]\nbuild-backend = 1\n"),
    ("setup.py", "setup(extras_require={None: ['a'], 1: [2], **x}, install_requires=f())\n"),
    ("setup.py", "a = " + "+".join(["[1]"] * 900) + "\n"),
    ("setup.py", "a = " + "[" * 5000 + "\n"),
    ("setup.py", "\0"),
    ("Pipfile", "packages = 1\n"),
    ("uv.lock", "]"),
    ("package.json", '{"scripts": [], "workspaces": 5, "dependencies": [], "packageManager": 7}'),
    ("package.json", '{"workspaces": {"packages": {"a": 1}}, "devEngines": []}'),
    ("pnpm-workspace.yaml", "a: [*b"),
    ("pnpm-workspace.yaml", "packages: !!int ''\n? [a]\n: !!python/object:os.system x\n"),
    ("Cargo.toml", "package = 1\nworkspace = []\n"),
    ("Cargo.toml", "[workspace]\nmembers = 1\nexclude = {a = 1}\n"),
    ("go.work", "use\nuse (\n"),
    ("pom.xml", "<project><modules/><modules><module/><other/></modules></project>"),
    ("requirements.txt", "-r\n-r /etc/passwd\n-r ../../x\n\\\n#\n@\n"),
    ("tox.ini", "no section\n"),
    ("setup.cfg", "[a\n"),
]


@pytest.mark.parametrize(("name", "content"), WRONG_TYPES)
def test_no_manifest_raises(lay, name: str, content: str) -> None:
    root = lay({"package.json": PACKAGE, "test_it.py": TEST, name: content})

    assert all(one.evidence for one in detect(root))
