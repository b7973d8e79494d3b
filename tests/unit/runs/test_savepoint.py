"""Going back to what folders were before something was installed into them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopack.files.savepoint import Savepoint


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "old.py").write_text("old")
    (folder / "link").symlink_to("lib")
    return folder


def install(environment: Path) -> None:
    """Replace one file and add another, as installers do."""
    (environment / "lib" / "old.py").unlink()
    (environment / "lib" / "old.py").write_text("new")
    (environment / "lib" / "added.py").write_text("added")


def test_installs_are_undone(tmp_path: Path, environment: Path) -> None:
    savepoint = Savepoint.make(tmp_path / "kept", [environment])
    install(environment)
    savepoint.restore()
    assert (environment / "lib" / "old.py").read_text() == "old"
    assert not (environment / "lib" / "added.py").exists()
    assert (environment / "link").is_symlink()
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_was_not_there_is_removed(tmp_path: Path) -> None:
    savepoint = Savepoint.make(tmp_path / "kept", [tmp_path / "node_modules"])
    (tmp_path / "node_modules" / "x").mkdir(parents=True)
    savepoint.restore()
    assert not (tmp_path / "node_modules").exists()


def test_what_helped_is_kept(tmp_path: Path, environment: Path) -> None:
    savepoint = Savepoint.make(tmp_path / "kept", [environment])
    install(environment)
    savepoint.drop()
    assert (environment / "lib" / "added.py").exists()
    assert Savepoint.left_behind(tmp_path / "kept") is None


def test_the_next_process_goes_back_for_one_that_died(tmp_path: Path, environment: Path) -> None:
    Savepoint.make(tmp_path / "kept", [environment])
    install(environment)
    found = Savepoint.left_behind(tmp_path / "kept")
    assert found is not None
    found.restore()
    assert (environment / "lib" / "old.py").read_text() == "old"


def test_going_back_may_be_cut_off_and_repeated(tmp_path: Path, environment: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Savepoint.make(tmp_path / "kept", [environment, other])
    install(environment)
    found = Savepoint.left_behind(tmp_path / "kept")
    assert found is not None
    # The first folder is back already.
    first = Savepoint(found.folder, {str(environment): found.kept[str(environment)]})
    copy = first.folder / str(first.kept[str(environment)])
    install_gone = environment.with_name("gone")
    environment.rename(install_gone)
    copy.rename(environment)
    found.restore()
    assert (environment / "lib" / "old.py").read_text() == "old"
    assert other.is_dir()


def test_a_copy_that_was_not_finished_is_no_savepoint(tmp_path: Path, environment: Path) -> None:
    (tmp_path / "kept" / "0").mkdir(parents=True)
    assert Savepoint.left_behind(tmp_path / "kept") is None
    assert not (tmp_path / "kept").exists()
