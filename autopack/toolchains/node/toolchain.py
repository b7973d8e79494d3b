"""Node: npm, yarn, pnpm and bun projects, told apart by packageManager and lock files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autopack.model.causes import FailureCause
from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.manifests import (
    Table,
    matches,
    read_json,
    read_yaml,
    strings,
    table,
    text,
)
from autopack.toolchains.test_sections import blocks, json_keys
from autopack.toolchains.toolchain import Command, Detected, Found, Missed, Toolchain
from autopack.toolchains.tree import (
    Tree,
    Unreadable,
    inside,
    join,
)

_LOCKS = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
"""Lock files and their manager; of several the first wins, since npm's is often left over."""
_DEPENDENCIES = (
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
)
_BUN_TEST = re.compile(r"[._](?:test|spec)\.[cm]?[jt]sx?$")
_TESTS = ("test", "spec", "cy", "e2e", "e2e-spec")
_ENDINGS = ("js", "cjs", "mjs", "ts", "cts", "mts")
_PLACEHOLDER = "no test specified"
"""What ``npm init`` writes into scripts.test; it always fails."""


@dataclass(frozen=True)
class _Choice:
    manager: str
    locked: bool
    sure: float
    evidence: tuple[str, ...]


class Node(Toolchain):
    """Projects with a package.json."""

    name = "node"
    languages = {"JavaScript": "js jsx mjs cjs ts tsx mts cts vue svelte astro"}
    programs = (
        *("node", "npm", "npx", "yarn", "pnpm", "bun", "bunx", "corepack", "tsc", "jest"),
        *("vitest", "mocha", "eslint", "playwright", "tsx", "ts-node", "turbo", "nx"),
    )
    manifests = ("package.json", "pnpm-workspace.yaml", ".yarnrc.yml", ".npmrc")
    lock_files = tuple(_LOCKS)
    settings = (
        *("package.json", "bunfig.toml"),
        *(f".mocharc.{kind}" for kind in ("js", "cjs", "mjs", "json", "jsonc", "yml", "yaml")),
        *(
            f"{tool}.config.{kind}"
            for tool in ("jest", "vitest", "vite", "playwright")
            for kind in ("js", "cjs", "mjs", "ts", "cts", "mts", "json")
        ),
    )
    safe_commands = (
        *(("npm", "test"), ("npm", "run", "test"), ("npm", "run", "lint"), ("npm", "run", "build")),
        *(("yarn", "test"), ("pnpm", "test"), ("npx", "jest"), ("npx", "vitest"), ("npx", "tsc")),
        ("node", "--test"),
    )
    missed = (
        Missed(r"\bENOENT: no such file or directory, (?:open|stat|lstat) ['\"`]{path}['\"`]"),
        Missed(r"\bCouldn't find a package\.json file in\b", "package.json"),
        Missed(r"ERR_PNPM_NO_(?:IMPORTER_MANIFEST_FOUND|PKG_MANIFEST)", "package.json"),
    )
    messages = {
        FailureCause.SYNTAX_ERROR: {"error TS1": r"\berror TS1\d{3}:"},
        FailureCause.IMPORT_ERROR: {
            "Cannot find ": r"\bCannot find (?:module|package) '",
            "Failed to resolve import": None,
            "error TS2307": None,
        },
        FailureCause.TYPE_ERROR: {"error TS2": r"\berror TS2\d{3}:"},
    }
    homes = {"VOLTA_HOME": ".volta"}
    readable = (".bun", ".nvm", ".volta")
    index_settings = (".config/pnpm/rc", ".npmrc", ".yarnrc", ".yarnrc.yml")
    caches = {"npm_config_cache": "npm"}
    variables = (
        r"NPM_CONFIG_.+|YARN_\w+|PNPM_\w+|COREPACK_\w+|BUN_\w+|NVM_\w+|FNM_\w+|VOLTA_\w+"
        r"|N_PREFIX|PLAYWRIGHT_\w+|PUPPETEER_\w+|CYPRESS_\w+|ELECTRON_\w+"
        r"|\w+_BINARY_(HOST|SITE|PATH)(_MIRROR)?",
    )
    # With NODE_ENV=production npm leaves out what the tests need.
    misleading = (r"NODE_(ENV|PATH|OPTIONS)",)
    index_variables = (r"NPM_TOKEN|NODE_AUTH_TOKEN|NPM_CONFIG_REGISTRY",)
    installed = ("node_modules",)
    generated = ("node_modules/",)
    test_files = (
        *(
            f"*.{kind}.{mark}[jt]s{x}"
            for kind in _TESTS
            for mark in ("", "[cm]")
            for x in ("", "x")
        ),
    )
    test_settings = (
        *("jest.config.*", "jest.setup.*", "jest-*.config.*", "vitest.config.*"),
        *("vitest.workspace.*", "vitest.setup.*", "playwright.config.*", "cypress.config.*"),
        *("cypress.json", "karma.conf.*", ".mocharc*", "ava.config.*", ".nycrc*", ".c8rc*"),
        *("wdio.conf.*", "bunfig.toml", "setupTests.*", "setup-tests.*", "test-setup.*", ".taprc"),
        *("jasmine.json", "jasmine.mjs", "vitest-*.config.*"),
    )
    test_sections = {
        **dict.fromkeys((f"vite.config.{end}" for end in _ENDINGS), blocks(r"\btest\w*\b|vitest")),
        "angular.json": blocks(r'"test"'),
        "project.json": blocks(r'"(?:test|e2e)'),
        **dict.fromkeys(("turbo.json", "nx.json"), blocks(r'test|"lint"')),
        ".npmrc": blocks(r"(?i)script[-_]shell|node[-_]options|ignore[-_]scripts"),
        ".yarnrc.yml": blocks(r"yarnPath|^plugins|scriptShell|enableScripts"),
        ".yarnrc": blocks(r"yarn-path|script-shell"),
        "package.json": json_keys(
            *("jest", "vitest", "mocha", "ava", "nyc", "c8", "tap", "cypress", "playwright"),
            *("qunit", "jasmine", "karma"),
            scripts=r"(?i)test|spec|e2e|coverage|jest|vitest|mocha|check|verify",
        ),
    }
    log_lines = LogLines(
        noise=(r"^\s*(?:[✓✔↓○·﹣]|\(pass\)|\(skip\))",),
        failed=(
            r"^ FAIL  \S|^FAIL \S|^  ● |^\(fail\) ",
            r"^\s*(?:✖|✕|×|✘) +\S",
        ),
        error=(
            r"^\s*(?:Uncaught |Unhandled )|^\s*expect\(|\bCannot find module\b",
            r"\berror TS\d+: |^\s*\d+:\d+\s+error\s",
        ),
        library=(r"node_modules|node:internal|\(node:",),
        last=(r"^Tests:\s|^\s+Tests  \d|^\s+\d+ failing$|^(?:ℹ|#) fail \d|^✖ \d+ problems",),
    )

    def find(self, tree: Tree, path: str) -> Found | None:
        if not tree.has(path, "package.json"):
            return None
        parsed = read_json(tree, path, "package.json")
        package = parsed.data
        members = _workspace_members(tree, path, package)
        choice = _choose(tree, path, package)
        evidence = [parsed.problem or _headline(package), *choice.evidence]
        confidence = choice.sure
        if parsed.problem:
            confidence = 0.3
        elif not _is_project(package) and not choice.locked and not members:
            # Tools leave files that only say {"type": "module"}; nothing can be done with them.
            evidence = ["package.json: no name, scripts or dependencies", *choice.evidence]
            confidence = 0.2
        if members:
            evidence.append(f"workspaces: {', '.join(members)}")
        needs_install = (
            choice.locked or bool(members) or any(table(package, k) for k in _DEPENDENCIES)
        )
        berry = choice.manager == "yarn" and _is_berry(tree, path, package)
        scripts = table(package, "scripts")
        detected = Detected(
            name=self.name,
            manager=choice.manager,
            path=path,
            confidence=confidence,
            evidence=tuple(evidence),
            install=(_install(choice, berry=berry),) if needs_install else (),
            build=((choice.manager, "run", "build"),) if text(scripts.get("build")) else (),
            test=_tests(tree, path, package, choice.manager, members, berry=berry),
            manifests=tuple(
                join(path, name)
                for name in (
                    "package.json",
                    "pnpm-workspace.yaml",
                    ".npmrc",
                    ".yarnrc.yml",
                    *_LOCKS,
                )
                if tree.has(path, name)
            ),
        )
        included = tuple(member for member in members if not member.startswith("!"))
        excluded = tuple(member[1:] for member in members if member.startswith("!"))
        return Found(detected, members=included, excluded=excluded)


def _headline(package: Table) -> str:
    name = text(package.get("name"))
    return f"package.json: {name}" if name else "package.json"


def _is_project(package: Table) -> bool:
    keys = ("name", "scripts", "workspaces", "packageManager", "main", "exports", "bin")
    return any(key in package for key in (*keys, *_DEPENDENCIES))


def _choose(tree: Tree, path: str, package: Table) -> _Choice:
    declared, where = _declared(package)
    above = _above(tree, path)
    locks = [name for name in _LOCKS if tree.has(path, name)]
    managers = list(dict.fromkeys(_LOCKS[name] for name in locks))
    evidence = [f"{where}: {declared}"] if declared else []
    evidence += locks
    sure = 0.95 if locks or declared else 0.85
    if declared in _LOCKS.values():
        manager = declared
    elif managers:
        manager = managers[0]
    elif tree.has(path, "pnpm-workspace.yaml"):
        manager = "pnpm"
        evidence.append("pnpm-workspace.yaml")
    elif tree.has(path, ".yarnrc.yml"):
        manager = "yarn"
        evidence.append(".yarnrc.yml")
    elif above is not None and not declared:
        manager, place = above
        evidence.append(f"{manager}, as in {place}")
    else:
        manager = "npm"
        if declared:
            evidence.append(f"{declared} is not supported: npm is used")
            sure = 0.6
    rivals = [name for name in locks if _LOCKS[name] != manager]
    if rivals:
        evidence.append(f"conflict: {', '.join(rivals)} beside {manager}")
        sure = 0.7 if declared == manager else 0.6
    own = [name for name in locks if _LOCKS[name] == manager]
    problem = _lock_problem(tree, path, own[0]) if own else None
    if problem:
        evidence.append(problem)
        sure = 0.6
    return _Choice(manager, bool(own) and problem is None, sure, tuple(evidence))


def _above(tree: Tree, path: str) -> tuple[str, str] | None:
    """Return the manager of the nearest project above, which people use in the folders
    below too.
    """
    while path != ".":
        path = path.rpartition("/")[0] or "."
        if not tree.has(path, "package.json"):
            continue
        declared, _ = _declared(read_json(tree, path, "package.json").data)
        locks = [manager for name, manager in _LOCKS.items() if tree.has(path, name)]
        if declared in _LOCKS.values() or locks:
            return (declared if declared in _LOCKS.values() else locks[0]), path
    return None


def _declared(package: Table) -> tuple[str, str]:
    """The manager the package asks for and the field that says so; empty when it does not."""
    field = text(package.get("packageManager"))
    if field:
        return field.partition("@")[0], "packageManager"
    engine = text(table(package, "devEngines", "packageManager").get("name"))
    return (engine, "devEngines.packageManager") if engine else ("", "")


def _lock_problem(tree: Tree, path: str, lock: str) -> str | None:
    if lock.endswith(".json"):
        # A lock file too large to be read here is still one.
        problem = read_json(tree, path, lock).problem
        return None if problem and "larger than" in problem else problem
    if lock == "bun.lockb":  # binary
        return None
    try:
        source = tree.read(join(path, lock))
    except Unreadable as error:
        return None if "larger than" in str(error) else f"{lock}: cannot be parsed ({error})"
    if "\n<<<<<<< " in f"\n{source}":
        return f"{lock}: cannot be parsed (it holds merge conflict markers)"
    return None


def _is_berry(tree: Tree, path: str, package: Table) -> bool:
    """Return whether it is yarn 2 or later, whose options have other names."""
    name, _, version = text(package.get("packageManager")).partition("@")
    if name == "yarn" and version:
        return not version.startswith(("0.", "1."))
    if tree.has(path, ".yarnrc.yml"):
        return True
    try:
        return tree.has(path, "yarn.lock") and "\n__metadata:" in tree.read(join(path, "yarn.lock"))
    except Unreadable:
        return False


def _install(choice: _Choice, *, berry: bool) -> Command:
    """Return the install that changes no lock file and writes none where there is none."""
    if choice.manager == "npm":
        return ("npm", "ci") if choice.locked else ("npm", "install", "--no-package-lock")
    if choice.manager == "bun":
        return (
            ("bun", "install", "--frozen-lockfile")
            if choice.locked
            else ("bun", "install", "--no-save")
        )
    if choice.manager == "pnpm":
        return ("pnpm", "install", "--frozen-lockfile" if choice.locked else "--no-lockfile")
    if berry:
        return ("yarn", "install", "--immutable") if choice.locked else ("yarn", "install")
    return ("yarn", "install", "--frozen-lockfile" if choice.locked else "--no-lockfile")


def _workspace_members(tree: Tree, path: str, package: Table) -> tuple[str, ...]:
    declared = package.get("workspaces")
    members = strings(declared) or strings(table(declared).get("packages"))
    if tree.has(path, "pnpm-workspace.yaml"):
        members = (
            strings(read_yaml(tree, path, "pnpm-workspace.yaml").data.get("packages")) or members
        )
    return members


def _has_test(package: Table) -> bool:
    script = text(table(package, "scripts").get("test"))
    return bool(script) and _PLACEHOLDER not in script


def _tests(
    tree: Tree,
    path: str,
    package: Table,
    manager: str,
    members: tuple[str, ...],
    *,
    berry: bool,
) -> tuple[Command, ...]:
    """Return the project's own test script, else those of its workspace members."""
    if _has_test(package):
        # bun's own test is its runner; the script needs to be asked for.
        return ((manager, "run", "test") if manager == "bun" else (manager, "test"),)
    if manager == "bun" and any(_BUN_TEST.search(n) for f in tree.below(path) for n in f.files):
        return (("bun", "test"),)
    tested = _tested_members(tree, path, members)
    if not tested:
        return ()
    if manager == "npm":
        return (("npm", "test", "--workspaces", "--if-present"),)
    if manager == "bun":
        return (("bun", "run", "--filter", "*", "test"),)
    if manager == "pnpm":
        return (("pnpm", "-r", "test"),)
    if berry:
        return (("yarn", "workspaces", "foreach", "-A", "run", "test"),)
    return tuple(("yarn", "--cwd", member, "test") for member in tested)


def _tested_members(tree: Tree, path: str, members: tuple[str, ...]) -> list[str]:
    included = tuple(member for member in members if not member.startswith("!"))
    excluded = tuple(member[1:] for member in members if member.startswith("!"))
    tested: list[str] = []
    if not included:
        return tested
    for folder in tree.below(path):
        if folder.path == path or "package.json" not in folder.files:
            continue
        place = inside(folder.path, path)
        if not matches(place, included) or matches(place, excluded):
            continue
        if _has_test(read_json(tree, folder.path, "package.json").data):
            tested.append(place)
    return tested
