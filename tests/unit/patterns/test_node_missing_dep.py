"""Which missing Node modules are packages, and what installs them."""

import pytest

from autopack.repair.patterns import Evidence
from autopack.repair.patterns.node_missing_dep import NodeMissingDep

PATTERN = NodeMissingDep()

SAID = [
    # Node, CommonJS and ESM
    ("Error: Cannot find module 'express'\nRequire stack:\n- /w/app.js", "express"),
    ("Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'chalk' imported from /w/a.mjs", "chalk"),
    # Jest
    ("    Cannot find module 'supertest' from 'test/app.test.js'", "supertest"),
    # TypeScript, webpack, Vite
    ("a.ts(1,1): error TS2307: Cannot find module 'zod' or its corresponding type", "zod"),
    ("Module not found: Error: Can't resolve 'react' in '/w/src'", "react"),
    ('Failed to resolve import "vue" from "src/main.ts". Does the file exist?', "vue"),
    # a part of a package, a scope
    ("Error: Cannot find module 'lodash/fp'", "lodash"),
    ("Error: Cannot find module '@babel/core/lib/x'", "@babel/core"),
]


@pytest.mark.parametrize(("text", "package"), SAID, ids=lambda value: str(value)[:50])
def test_package_is_named(text: str, package: str) -> None:
    match = PATTERN.detect(Evidence(text))
    assert match is not None
    assert match.captured["package"] == package


@pytest.mark.parametrize(
    ("lock", "manager"),
    [("package-lock.json", "npm"), ("yarn.lock", "yarn"), ("pnpm-lock.yaml", "pnpm")],
)
def test_declared_package_is_installed_by_the_projects_manager(lock, manager, worktree) -> None:
    root = worktree({"web/package.json": '{"devDependencies": {"tape": "5"}}', f"web/{lock}": ""})
    evidence = Evidence("Error: Cannot find module 'tape'", root=root)
    match = PATTERN.detect(evidence)
    assert match is not None
    assert match.captured["declared_in"] == "web/package.json"
    (install,) = PATTERN.propose(evidence, match).run
    assert install.path == "web"
    assert install.argv[:2] == (manager, "install")


def test_undeclared_package_is_only_a_suggestion(worktree) -> None:
    evidence = Evidence(
        "Error: Cannot find module 'express'", root=worktree({"package.json": "{}"})
    )
    match = PATTERN.detect(evidence)
    assert match is not None
    proposal = PATTERN.propose(evidence, match)
    assert not proposal.acts
    assert proposal.suggestions == ("add 'express' to package.json",)


def test_tool_of_a_script_is_a_dependency_when_declared(worktree) -> None:
    root = worktree({"package.json": '{"devDependencies": {"typescript": "5"}}'})
    match = PATTERN.detect(Evidence("> tsc -p .\n\nsh: 1: tsc: not found", root=root))
    assert match is not None
    assert match.captured["package"] == "typescript"


def test_bare_code_installs_a_project_that_never_was(worktree) -> None:
    evidence = Evidence("MODULE_NOT_FOUND", root=worktree({"package.json": "{}"}))
    match = PATTERN.detect(evidence)
    assert match is not None
    assert [check.path for check in PATTERN.propose(evidence, match).run] == ["."]


def test_installed_project_is_not_installed_again_for_a_bare_code(worktree) -> None:
    root = worktree({"package.json": "{}", "node_modules/a/index.js": ""})
    evidence = Evidence("MODULE_NOT_FOUND", root=root)
    match = PATTERN.detect(evidence)
    assert match is not None
    assert PATTERN.propose(evidence, match).run == ()


def test_file_of_a_workspace_package_does_not_hide_a_declared_one(worktree) -> None:
    root = worktree({"package.json": '{"dependencies": {"utils": "1"}}', "src/utils/index.js": ""})
    assert PATTERN.detect(Evidence("Error: Cannot find module 'utils'", root=root))
