"""Go: modules and workspaces."""

from __future__ import annotations

from autopack.model.causes import FailureCause
from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.manifests import without_comments
from autopack.toolchains.toolchain import Detected, Found, Missed, Toolchain
from autopack.toolchains.tree import Tree, Unreadable, join


class Go(Toolchain):
    """Projects with a go.mod or a go.work."""

    name = "go"
    languages = {"Go": "go"}
    programs = ("go", "gofmt", "gotestsum", "golangci-lint")
    manifests = ("go.mod", "go.work")
    lock_files = ("go.sum", "go.work.sum")
    safe_commands = (("go", "test"), ("go", "vet"), ("go", "build"))
    missed = (Missed(r"^go: (?:go\.mod file not found in|cannot find main module)", "go.mod"),)
    messages = {
        FailureCause.IMPORT_ERROR: {
            "no required module provides package": None,
            "is not in std": None,
        },
        FailureCause.TYPE_ERROR: {
            "cannot use ": r"\bcannot use [^\n]{1,200} as [^\n]{1,100} value in\b",
        },
        FailureCause.RUNTIME_ERROR: {"panic: ": r"^panic: "},
    }
    readable = ("go",)
    variables = (
        r"GO(PATH|ROOT|BIN|(MOD)?CACHE|PROXY|FLAGS|PRIVATE|NO\w+|SUMDB|INSECURE|TOOLCHAIN|OS|ARCH"
        r"|ARM\w*|AMD64|386|EXPERIMENT|MAXPROCS|GC|MEMLIMIT|ENV|TMPDIR|TELEMETRY|DEBUG|VCS|AUTH"
        r"|WORK|TRACEBACK|111MODULE)|CGO_\w+",
    )
    index_variables = (r"GOPROXY",)
    test_files = ("*_test.go",)
    log_lines = LogLines(
        noise=(r"^\s*(?:--- PASS|--- SKIP|=== RUN|=== PAUSE|=== CONT)",),
        failed=(r"^\s*--- FAIL: |^FAIL\t",),
        error=(r"^\s{4,}\w+_test\.go:\d+: |\bundefined:",),
    )

    def find(self, tree: Tree, path: str) -> Found | None:
        files = [name for name in ("go.work", "go.mod", "go.sum") if tree.has(path, name)]
        if "go.work" in files:
            return self._workspace(tree, path, files)
        if "go.mod" in files:
            return Found(self._module(tree, path, files))
        return None

    def _module(self, tree: Tree, path: str, files: list[str]) -> Detected:
        directives, problem = _directives(tree, path, "go.mod")
        module = next((args[0] for word, args in directives if word == "module" and args), "")
        if problem is None and not module:
            problem = "go.mod: cannot be parsed (no module directive)"
        evidence = [problem or f"go.mod: module {module}"]
        if "go.sum" in files:
            evidence.append("go.sum")
        return Detected(
            name=self.name,
            manager="go",
            path=path,
            confidence=0.3 if problem else 0.95 if "go.sum" in files else 0.9,
            evidence=tuple(evidence),
            install=() if _is_vendored(tree, path) else (("go", "mod", "download"),),
            build=(("go", "build", "./..."),),
            test=(("go", "test", "./..."),),
            manifests=tuple(join(path, name) for name in files),
        )

    def _workspace(self, tree: Tree, path: str, files: list[str]) -> Found:
        directives, problem = _directives(tree, path, "go.work")
        used = [
            args[0].removeprefix("./") or "." for word, args in directives if word == "use" and args
        ]
        # "./..." at the root of a workspace covers only the module there, if any.
        packages = tuple("./..." if module == "." else f"./{module}/..." for module in used)
        detected = Detected(
            name=self.name,
            manager="go",
            path=path,
            confidence=0.3 if problem or not used else 0.95,
            evidence=(problem or f"go.work: uses {', '.join(used) or 'nothing'}",),
            install=(("go", "mod", "download"),),
            build=(("go", "build", *packages),) if packages else (),
            test=(("go", "test", *packages),) if packages else (),
            manifests=(
                *(join(path, name) for name in files),
                *(join(path, f"{m}/go.mod") for m in used if tree.has(join(path, m), "go.mod")),
            ),
        )
        return Found(detected, members=tuple(used))


def _is_vendored(tree: Tree, path: str) -> bool:
    """Return whether go takes the dependencies from the repository itself."""
    return (tree.root / path / "vendor" / "modules.txt").is_file()


def _directives(tree: Tree, path: str, name: str) -> tuple[list[tuple[str, list[str]]], str | None]:
    """Return the directives of a go.mod or go.work, blocks unfolded to a line each."""
    try:
        source = without_comments(tree.read(join(path, name)))
    except Unreadable as error:
        return [], f"{name}: cannot be parsed ({error})"
    found: list[tuple[str, list[str]]] = []
    block: str | None = None
    for line in source.splitlines():
        words = [word.strip('"`') for word in line.split()]
        if not words:
            continue
        if words == [")"]:
            block = None
        elif block is not None:
            found.append((block, words))
        elif words[-1] == "(":
            block = words[0]
        else:
            found.append((words[0], words[1:]))
    if block is not None:
        return found, f"{name}: cannot be parsed (the {block} block is not closed)"
    return found, None
