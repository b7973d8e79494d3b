"""Deno: projects with a deno.json."""

from __future__ import annotations

import json
import re
from typing import cast

from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.manifests import (
    Table,
    strings,
    table,
    text,
    without_comments,
)
from autopack.toolchains.test_sections import blocks
from autopack.toolchains.toolchain import Detected, Found, Toolchain
from autopack.toolchains.tree import Tree, Unreadable, join

_MANIFESTS = ("deno.json", "deno.jsonc")
_TEST = re.compile(r"(?:^test|[._]test)\.(?:m?[jt]sx?)$")


class Deno(Toolchain):
    """Projects that deno runs; one with a package.json too is npm's, unless deno has the tests."""

    name = "deno"
    programs = ("deno",)
    manifests = ("deno.json*",)
    lock_files = ("deno.lock",)
    settings = _MANIFESTS
    safe_commands = (("deno", "test"), ("deno", "check"), ("deno", "lint"))
    readable = (".deno",)
    variables = (r"DENO_\w+",)
    test_sections = dict.fromkeys(_MANIFESTS, blocks(r'test|"(?:lint|check)"'))
    log_lines = LogLines(
        failed=(r"^\S.* \.\.\. FAILED\b",),
        last=(r"^FAILED \| ",),
    )

    def find(self, tree: Tree, path: str) -> Found | None:
        manifest = next((name for name in _MANIFESTS if tree.has(path, name)), None)
        if manifest is None:
            return None
        data, problem = _read(tree, path, manifest)
        tasks = table(data, "tasks")
        tested = any(_TEST.search(name) for folder in tree.below(path) for name in folder.files)
        is_npm = tree.has(path, "package.json") and "test" not in tasks
        locked = tree.has(path, "deno.lock")
        evidence = [problem or f"{manifest}: {text(data.get('name')) or 'project'}"]
        evidence += ["deno.lock"] if locked else []
        if is_npm:
            evidence.append("package.json: npm's tests are used")
        test = ("deno", "task", "test") if "test" in tasks else ("deno", "test", "-A")
        return Found(
            Detected(
                name=self.name,
                manager="deno",
                path=path,
                confidence=0.3 if problem or is_npm else 0.9 if locked else 0.85,
                evidence=tuple(evidence),
                install=(("deno", "install", "--frozen") if locked else ("deno", "install"),),
                build=(),
                test=(test,) if tested or "test" in tasks else (),
                manifests=tuple(
                    join(path, name) for name in (manifest, "deno.lock") if tree.has(path, name)
                ),
            ),
            members=strings(data.get("workspace"))
            or strings(table(data, "workspace").get("members")),
        )


def _read(tree: Tree, path: str, name: str) -> tuple[Table, str | None]:
    try:
        data = json.loads(
            re.sub(r",(\s*[}\]])", r"\1", without_comments(tree.read(join(path, name))))
        )
    except (Unreadable, ValueError, RecursionError) as error:
        return {}, f"{name}: cannot be parsed ({str(error).splitlines()[0]})"
    if not isinstance(data, dict):
        return {}, f"{name}: cannot be parsed (it is not a table)"
    return cast(Table, data), None
