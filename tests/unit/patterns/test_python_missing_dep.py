"""Which missing Python modules are dependencies, and what installs them."""

import pytest

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns import Evidence
from autopack.repair.patterns.python_missing_dep import PythonMissingDep
from autopack.toolchains.toolchain import (
    Detected,
)

PATTERN = PythonMissingDep()
PIP = ("python", "-m", "pip", "install")


def propose(text: str, **more):
    evidence = Evidence(text, **more)
    match = PATTERN.detect(evidence)
    assert match is not None
    return match, PATTERN.propose(evidence, match)


SAID = [
    # CPython, bare and as pytest and its summary show it
    ("ModuleNotFoundError: No module named 'requests'", "requests"),
    ("E   ModuleNotFoundError: No module named 'requests'", "requests"),
    ("ERROR tests/test_a.py - ModuleNotFoundError: No module named 'requests'", "requests"),
    # python -m
    ("/usr/bin/python3.11: No module named pytest", "pytest"),
    (r"C:\Python\python.exe: No module named pytest", "pytest"),
    # a namespace package names its missing part
    ("ModuleNotFoundError: No module named 'google.protobuf'", "google.protobuf"),
    # pandas and friends
    ("ImportError: Missing optional dependency 'openpyxl'. Use pip to install it.", "openpyxl"),
    # the installed version lacks the name
    (
        "ImportError: cannot import name 'soft' from 'flask' "
        "(/venv/lib/python3.11/site-packages/flask/__init__.py)",
        "flask",
    ),
    # colours
    ("\x1b[31mE   ModuleNotFoundError: No module named 'requests'\x1b[0m", "requests"),
    # a fallback of the standard library comes first
    (
        "ModuleNotFoundError: No module named 'tomllib'\n\nDuring handling of the above "
        "exception\n\nModuleNotFoundError: No module named 'tomli'",
        "tomli",
    ),
]


@pytest.mark.parametrize(("text", "module"), SAID, ids=lambda value: str(value)[:60])
def test_module_is_named(text: str, module: str) -> None:
    match = PATTERN.detect(Evidence(text))
    assert match is not None
    assert match.captured["module"] == module


DECLARED = [
    # requirement files are installed as they are
    ({"requirements.txt": "PyYAML==6.0\n"}, (*PIP, "-r", "requirements.txt")),
    ({"requirements/dev.txt": "# tools\nPyYAML  # yes\n"}, (*PIP, "-r", "requirements/dev.txt")),
    # pyproject: what the project itself asks for, never the project
    ({"pyproject.toml": "[project]\nname='a'\ndependencies=['pyyaml>=6']"}, (*PIP, "pyyaml>=6")),
    (
        {"pyproject.toml": "[project]\nname='a'\n[project.optional-dependencies]\nx=['PyYAML']"},
        (*PIP, "PyYAML"),
    ),
    ({"pyproject.toml": "[dependency-groups]\ndev=['PyYAML~=6.0']"}, (*PIP, "PyYAML~=6.0")),
    (
        {"pyproject.toml": "[tool.poetry.dependencies]\npython='^3.11'\nPyYAML='^6'"},
        (*PIP, "PyYAML>=6,<7"),
    ),
    # setup.cfg
    ({"setup.cfg": "[options]\ninstall_requires =\n  PyYAML>=6\n"}, (*PIP, "PyYAML>=6")),
]


@pytest.mark.parametrize(("files", "argv"), DECLARED, ids=lambda value: str(value)[:60])
def test_declared_dependency_is_installed_from_its_manifest(files, argv, worktree) -> None:
    match, proposal = propose("ModuleNotFoundError: No module named 'yaml'", root=worktree(files))
    assert proposal.run == (Check(".", argv),)
    assert proposal.unlisted == ()
    assert match.captured["declared_in"] == next(iter(files))


def test_requirement_file_of_a_subproject_is_installed_there(worktree) -> None:
    root = worktree({"api/requirements/test.txt": "pyyaml"})
    _, proposal = propose("ModuleNotFoundError: No module named 'yaml'", root=root)
    assert proposal.run == (Check("api", (*PIP, "-r", "requirements/test.txt")),)


def test_declared_beats_a_local_module_of_the_same_name(worktree) -> None:
    root = worktree({"requirements.txt": "pyyaml", "tests/yaml.py": ""})
    assert PATTERN.detect(Evidence("ModuleNotFoundError: No module named 'yaml'", root=root))


def test_unlisted_dependency_needs_leave(worktree) -> None:
    _, proposal = propose("ModuleNotFoundError: No module named 'PIL'", root=worktree({}))
    assert proposal.run == (Check(".", (*PIP, "Pillow")),)
    assert proposal.unlisted == ("Pillow",)


def test_unknown_module_is_only_a_suggestion(worktree) -> None:
    _, proposal = propose("ModuleNotFoundError: No module named 'acme_tools'", root=worktree({}))
    assert not proposal.acts
    assert "acme_tools" in proposal.suggestions[0]


def test_all_missing_modules_are_installed_at_once(worktree) -> None:
    text = "\n".join(f"E   ModuleNotFoundError: No module named '{m}'" for m in ("yaml", "jwt"))
    _, proposal = propose(text, root=worktree({"requirements.txt": "pyyaml\npyjwt"}))
    assert proposal.run == (Check(".", (*PIP, "-r", "requirements.txt")),)


def test_project_managed_by_uv_is_served_by_uv(worktree) -> None:
    detected = (Detected("python", "uv", ".", 0.9, ()),)
    _, proposal = propose(
        "ModuleNotFoundError: No module named 'yaml'",
        root=worktree({"requirements.txt": "pyyaml"}),
        detected=detected,
    )
    assert proposal.run[0].argv == ("uv", "pip", "install", "-r", "requirements.txt")


def test_broken_manifest_declares_nothing(worktree) -> None:
    root = worktree({"pyproject.toml": "[project\n", "setup.cfg": "no section"})
    match, _ = propose("ModuleNotFoundError: No module named 'yaml'", root=root)
    assert "declared_in" not in match.captured
