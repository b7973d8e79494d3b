"""Python: pip, Poetry and uv projects."""

from __future__ import annotations

from dataclasses import dataclass
from posixpath import normpath

from autopack.model.causes import FailureCause
from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.manifests import (
    read_toml,
    strings,
    table,
    text,
)
from autopack.toolchains.python.requirements import Declared, read_declared
from autopack.toolchains.python.test_commands import Runner, find_runner, find_test_modules
from autopack.toolchains.test_sections import blocks, ini_sections, toml_tables
from autopack.toolchains.toolchain import Command, Detected, Found, Missed, Toolchain
from autopack.toolchains.tree import Tree, join

PIP: Command = ("python", "-m", "pip", "install")
_PYTHONS = ("python", "python3")
_UV_SOURCES = (
    "CACHE_DIR|INDEX|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|OFFLINE|NATIVE_TLS"
    "|SYSTEM_CERTS|KEYRING_PROVIDER|INSECURE_HOST|HTTP_TIMEOUT|LINK_MODE"
)
_LOCKS = {"uv.lock": "uv", "poetry.lock": "poetry"}


@dataclass(frozen=True)
class _Choice:
    manager: str
    locked: bool
    sure: float
    evidence: tuple[str, ...]


class Python(Toolchain):
    """Projects with pyproject.toml, setup.py, requirements files, or just tests in Python."""

    name = "python"
    languages = {"Python": "py pyx pyi"}
    programs = (
        *("python", "python3", "pip", "uv", "uvx", "poetry", "pytest", "tox", "nox", "hatch"),
        *("pdm", "mypy", "pyright", "basedpyright", "ruff", "coverage", "flake8", "pylint"),
        "django-admin",
    )
    manifests = (
        *("pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt", "requirements*.in"),
        *("constraints*.txt", "Pipfile"),
    )
    lock_files = (*_LOCKS, "pdm.lock", "Pipfile.lock")
    settings = (
        *("tox.ini", "noxfile.py", "pytest.ini", "setup.cfg", "setup.py", "pyproject.toml"),
        "manage.py",
    )
    safe_commands = (
        ("pytest",),
        *((python, "-m", module) for python in _PYTHONS for module in ("pytest", "unittest")),
        ("uv", "run", "pytest"),
        ("poetry", "run", "pytest"),
        *(("tox",), ("nox",), ("ruff", "check"), ("mypy",), ("pyright",), ("basedpyright",)),
    )
    missed = (
        Missed(r"^(?:ERROR: )?Could not open requirements file: [^\n]{0,60}: ['\"]{path}['\"]"),
        Missed(r": can't open file ['\"]{path}['\"]: \[Errno 2\]"),
        Missed(r"(?i:Neither 'setup\.py' nor 'pyproject\.toml' found)", "pyproject.toml"),
        Missed(r"^Poetry could not find a pyproject\.toml file in", "pyproject.toml"),
        Missed(r"^error: No `pyproject\.toml` found in current directory", "pyproject.toml"),
    )
    messages = {
        FailureCause.SYNTAX_ERROR: {
            "invalid syntax": None,
            "unterminated ": r"\bunterminated [\w-]{1,30}(?: [\w-]{1,30}){0,3} literal\b",
            "unexpected indent": None,
        },
        FailureCause.IMPORT_ERROR: {
            "cannot import name": None,
            "attempted relative import": None,
            "No module named": None,
        },
        FailureCause.TYPE_ERROR: {
            "got an unexpected keyword argument": None,
            " required ": r"\bmissing \d{1,3} required (?:positional|keyword)",
            "unsupported operand type": None,
            "object is not ": r"\bobject is not (?:callable|iterable|subscriptable)\b",
            ": error: ": r": error: [^\n]{1,300}  \[[a-z-]{1,40}\]$",
        },
        FailureCause.RUNTIME_ERROR: {
            "has no attribute": None,
            "is not defined": r"\bname '\w{1,80}' is not defined\b",
            "too many values to unpack": None,
            "not associated with a value": None,
        },
    }
    homes = {"PYENV_ROOT": ".pyenv"}
    readable = (".local/share/uv", ".pyenv")
    index_settings = (".config/pip", ".config/uv", ".pip")
    caches = {"UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip"}
    variables = (
        r"PYTHON(HASHSEED|UTF8|IOENCODING|FAULTHANDLER|DEVMODE|MALLOC|NOUSERSITE|ASYNCIODEBUG"
        r"|COERCECLOCALE|INTMAXSTRDIGITS|TZPATH)|PIP_\w+|PYENV_\w+|CONDA_(EXE|PKGS_DIRS)|MAMBA_\w+",
        r"HF_(HUB_)?(OFFLINE|CACHE)|TRANSFORMERS_(OFFLINE|CACHE)",
        # Of uv what says where packages come from; the rest says where they go.
        rf"UV_({_UV_SOURCES}|INDEX_\w+(?<!_USERNAME)(?<!_PASSWORD))",
    )
    misleading = (
        rf"UV_(?!(?:{_UV_SOURCES})$|INDEX_).*|UV_INDEX_.*_(USERNAME|PASSWORD)",
        r"(PYTEST|COVERAGE|COV|POETRY|PIPENV)_.*|VIRTUAL_ENV.*|_OLD_VIRTUAL_.*",
        r"PYTHON(PATH|HOME|STARTUP|USERBASE|WARNINGS|OPTIMIZE|SAFEPATH|PYCACHEPREFIX|EXECUTABLE)",
        r"__PYVENV_LAUNCHER__|PIP_(USER|TARGET|PREFIX|ROOT|PYTHON|REQUIRE_VIRTUALENV)",
    )
    index_variables = (
        r"UV_INDEX_.*_(USERNAME|PASSWORD)|POETRY_HTTP_BASIC_.*|POETRY_PYPI_TOKEN_.*",
        r"PIP_(EXTRA_)?INDEX_URL|PIP_FIND_LINKS|UV_(DEFAULT_|EXTRA_)?INDEX(_URL)?|UV_FIND_LINKS",
    )
    regenerated = (
        *("__pycache__/", "*.py[cod]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/"),
        *(".hypothesis/", ".coverage"),
    )
    generated = ("*.egg-info/", ".tox/", ".nox/", ".venv/")
    test_files = ("test_*.py", "*_test.py", "tests.py", "test.py", "conftest.py")
    test_settings = (
        *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "toxfile.py"),
        *("tox.toml", "noxfile.py", "conftest.py", "sitecustomize.py", "usercustomize.py"),
        *(".coveragerc", ".coveragerc.toml", "unittest.cfg", "nose2.cfg", ".noserc"),
    )
    test_sections = {
        "pyproject.toml": toml_tables(
            *(("tool", name) for name in ("pytest", "pytest-env", "coverage", "tox", "nox")),
            *(("tool", "hatch", "envs"), ("tool", "pdm", "scripts"), ("tool", "poe")),
            *(("tool", "pixi", "tasks"), ("tool", "taskipy")),
            *(("project", "entry-points", "pytest11"), ("tool", "poetry", "plugins", "pytest11")),
        ),
        "setup.py": blocks(r"pytest11|test_suite|tests_require"),
        "setup.cfg": ini_sections(
            r"tool:pytest|pytest|testenv.*|tox|coverage:.*|aliases|nosetests|unittest"
        ),
    }
    has_virtual_environment = True
    build_judges = False  # building a distribution compiles nothing, so it approves of anything
    log_lines = LogLines(
        noise=(
            r"^(?:\S+::\S+ )?(?:PASSED|SKIPPED|XFAIL)\b|^PASS(?:ED)?\b(?!:)",
            r"\.\.\. (?:ok|expected failure)$|\.\.\. skipped\b",
            r"^[.sFExX]{8,}(?:\s*\[\s*\d+%\])?$|^\S+\.py [.sFExX]+\s+\[\s*\d+%\]$",
            r"^(?:Downloading|Collecting|Requirement already|Installing|Using cached)\b",
        ),
        failed=(
            r"^(?:FAILED|ERROR|SUBFAIL(?:ED)?(?:\[[^\]]*\])?(?: ?\([^)]*\))?) \S*[/:.\[]",
            r"^(?:FAIL|ERROR): \S",
            r"^_{3,} \S.* _{3,}$",
        ),
        error=(
            r"^E\s{2,}\S",
            r"^(?:[a-z_]\w*\.)+[A-Z]\w*(?::\s|$)",
            r"^[A-Z]{1,4}\d{3,4} (?:\[\*\] )?\S",
        ),
        library=(r"site-packages|dist-packages|[/\\]lib[/\\]python\d|<frozen ",),
        frame=(r'^\s*File "|^\S+:\d+: in \S',),
        last=(
            r"^=*\s?\d+ (?:failed|passed|errors?)\b.* in [\d.]+s|^!{3,} ",
            r"^FAILED \(|^Ran \d+ tests",
            r"^Found \d+ errors?",
        ),
    )

    def find(self, tree: Tree, path: str) -> Found | None:
        declared = read_declared(tree, path)
        choice = _choose(tree, path, declared)
        kind = _kind(tree, path, declared)
        if kind is None:
            return None
        sure, evidence = kind
        workspace = table(declared.pyproject, "tool", "uv", "workspace")
        members, excluded = strings(workspace.get("members")), strings(workspace.get("exclude"))
        runner = find_runner(tree, path, declared, members)
        by_pip = _pip(declared, runner)
        install, build = by_pip, _build(choice.manager, declared)
        if choice.manager == "poetry":
            install = _poetry(declared, runner)
        elif choice.manager == "uv" and ("project" in declared.pyproject or members):
            install = _uv(choice, declared, runner, everything=bool(members))
        if members:
            evidence.append(f"uv workspace: {', '.join(members)}")
        if runner:
            evidence.append(f"tests: {' '.join(runner.command)} ({runner.reason})")
        locks = [name for name in _LOCKS if tree.has(path, name)]
        detected = Detected(
            name=self.name,
            manager=choice.manager,
            path=path,
            confidence=0.3 if declared.problems else min(sure, choice.sure),
            evidence=(*declared.problems, *evidence, *choice.evidence),
            install=install,
            build=build,
            test=(runner.command,) if runner else (),
            manifests=tuple(normpath(join(path, name)) for name in (*declared.manifests, *locks)),
            without_manager=() if install == by_pip else by_pip,
        )
        return Found(detected, members=members, excluded=excluded)


def _kind(tree: Tree, path: str, declared: Declared) -> tuple[float, list[str]] | None:
    """Return how much of a project the folder is, and why; None when it is none."""
    data, manifests = declared.pyproject, declared.manifests
    evidence: list[str] = []
    sure = 0.0
    if "project" in data:
        name = text(table(data, "project").get("name"))
        evidence.append(f"pyproject.toml: [project] {name}".rstrip())
        sure = 0.95
    elif any(key in data for key in ("build-system", "dependency-groups")) or any(
        key in table(data, "tool") for key in ("poetry", "uv", "pdm", "flit", "hatch")
    ):
        evidence.append("pyproject.toml")
        sure = 0.9
    if "setup.py" in manifests:
        evidence.append("setup.py")
        sure = max(sure, 0.9)
    elif "setup.cfg" in manifests and declared.installable:
        evidence.append("setup.cfg: [metadata]")
        sure = max(sure, 0.9)
    if "Pipfile" in manifests:
        evidence.append("Pipfile")
        sure = max(sure, 0.75)
    evidence += [*declared.files, *declared.hashed_files]
    if declared.files or declared.hashed_files:
        sure = max(sure, 0.75)
    if evidence or declared.problems:
        return sure, evidence
    return _scripts(tree, path, has_settings=bool(manifests))


def _scripts(tree: Tree, path: str, *, has_settings: bool) -> tuple[float, list[str]] | None:
    """Return a folder of Python without a manifest: only the root counts, or one with tool
    settings.
    """
    if path != "." and not has_settings:
        return None
    folder = tree.folders[path]
    near = {path, join(path, "test"), join(path, "tests")}
    tests = [f for f in find_test_modules(tree, path) if (f.rpartition("/")[0] or ".") in near]
    settings = ["pyproject.toml or setup.cfg: only settings of tools"] if has_settings else []
    if tests:
        return 0.6, [*settings, f"{tests[0]}: Python tests"]
    modules = sorted(name for name in folder.files if name.endswith(".py"))
    if modules:
        return 0.4, [*settings, f"{modules[0]}: Python without a manifest"]
    return (0.3, settings) if has_settings else None


def _choose(tree: Tree, path: str, declared: Declared) -> _Choice:
    """Return the manager with the strongest evidence: its lock, then its table, then its
    backend.
    """
    tools = table(declared.pyproject, "tool")
    backend = text(table(declared.pyproject, "build-system").get("build-backend"))
    score = {"uv": 0, "poetry": 0}
    evidence: list[str] = []
    for manager, marker in (("uv", "uv_build"), ("poetry", "poetry.")):
        if manager in tools:
            score[manager] += 2
            evidence.append(f"pyproject.toml: [tool.{manager}]")
        if backend.startswith(marker):
            score[manager] += 1
            evidence.append(f"pyproject.toml: build-backend {backend}")
    locks = [name for name in _LOCKS if tree.has(path, name)]
    for name in locks:
        score[_LOCKS[name]] += 3
        evidence.append(name)
    best = max(score, key=lambda manager: score[manager])
    if not score[best]:
        return _Choice("pip", locked=False, sure=1.0, evidence=())
    sure = 1.0 if locks else 0.9
    rivals = [name for name in locks if _LOCKS[name] != best]
    if rivals:
        evidence.append(f"conflict: {', '.join(rivals)} beside {best}")
        sure = 0.65
    lock = next((name for name in locks if _LOCKS[name] == best), None)
    problem = _lock_problem(tree, path, lock) if lock else None
    if problem:
        evidence.append(problem)
        sure = 0.6
    return _Choice(best, lock is not None and problem is None, sure, tuple(evidence))


def _lock_problem(tree: Tree, path: str, name: str) -> str | None:
    problem = read_toml(tree, path, name).problem
    # A lock file too large to be read here is still one.
    return None if problem and "larger than" in problem else problem


def _pip(declared: Declared, runner: Runner | None) -> tuple[Command, ...]:
    """Return what pip must install: requirement files first, since they pin, then the project."""
    commands: list[Command] = [(*PIP, "-r", name) for name in declared.hashed_files]
    if declared.files:
        commands.append((*PIP, *(part for name in declared.files for part in ("-r", name))))
    wanted: list[str] = []
    if declared.installable:
        extras = f"[{','.join(declared.extras)}]" if declared.extras else ""
        wanted += ["-e", f".{extras}"]
    else:
        wanted += [*declared.requirements, *declared.extra_requirements]
    wanted += declared.group_requirements
    wanted += _pytest(declared, runner)
    if wanted:
        commands.append((*PIP, *wanted))
    return tuple(commands)


def _poetry(declared: Declared, runner: Runner | None) -> tuple[Command, ...]:
    extras = [part for name in declared.extras for part in ("--extras", name)]
    optional = [
        name
        for name in declared.groups
        if table(declared.pyproject, "tool", "poetry", "group", name).get("optional") is True
    ]
    groups = [part for name in optional for part in ("--with", name)]
    command = ("poetry", "install", "--no-interaction", *extras, *groups)
    return _and_pytest(command, declared, runner)


def _uv(
    choice: _Choice, declared: Declared, runner: Runner | None, *, everything: bool
) -> tuple[Command, ...]:
    # --active: into the environment of the run, which would else get a rival in the worktree.
    # --inexact: without taking away the pip that is there.
    command = ["uv", "sync", "--active", "--inexact"]
    if choice.locked:
        command.append("--frozen")
    if everything:
        command.append("--all-packages")
    command += [part for name in declared.extras for part in ("--extra", name)]
    command += [part for name in declared.groups for part in ("--group", name)]
    return _and_pytest(tuple(command), declared, runner)


def _and_pytest(command: Command, declared: Declared, runner: Runner | None) -> tuple[Command, ...]:
    missing = _pytest(declared, runner)
    return (command, (*PIP, *missing)) if missing else (command,)


def _pytest(declared: Declared, runner: Runner | None) -> tuple[str, ...]:
    needed = runner is not None and runner.needs_pytest and not declared.asks_for("pytest")
    return ("pytest",) if needed else ()


def _build(manager: str, declared: Declared) -> tuple[Command, ...]:
    if not declared.installable:
        return ()
    if manager == "pip":
        return (("python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "dist", "."),)
    return ((manager, "build"),)
