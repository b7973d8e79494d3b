"""Rust: crates and Cargo workspaces."""

from __future__ import annotations

from autopack.model.causes import FailureCause
from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.manifests import (
    read_toml,
    strings,
    table,
    text,
)
from autopack.toolchains.test_sections import toml_tables
from autopack.toolchains.toolchain import Detected, Found, Missed, Toolchain
from autopack.toolchains.tree import Tree, inside, join


class Rust(Toolchain):
    """Projects with a Cargo.toml."""

    name = "rust"
    languages = {"Rust": "rs"}
    programs = ("cargo", "rustc", "rustfmt")
    manifests = ("Cargo.toml",)
    lock_files = ("Cargo.lock",)
    settings = (".config/nextest.toml",)
    safe_commands = (("cargo", "test"), ("cargo", "check"), ("cargo", "clippy"))
    missed = (Missed(r"^error: could not find `Cargo\.toml` in ", "Cargo.toml"),)
    messages = {
        FailureCause.IMPORT_ERROR: {
            # An unresolved import or path, a crate or a module's file that is not there.
            "error[E0": r"\berror\[E0(?:432|433|463|583)\]:",
            "could not find `": r"\bcould not find `[^`\n]{1,100}` in\b",
        },
        FailureCause.TYPE_ERROR: {"error[E0": r"\berror\[E0\d{3}\]:"},
    }
    homes = {"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"}
    readable = (".cargo/bin", ".cargo/registry", ".rustup")
    index_settings = (".cargo/config.toml",)
    variables = (r"(CARGO|RUSTUP|RUSTC|RUSTDOC|RUST)(_\w+)?",)
    test_files = ("*_test.rs",)
    test_settings = ("nextest.toml",)
    test_sections = {
        "Cargo.toml": toml_tables(
            ("test",), ("bench",), ("lib", "test"), ("lib", "doctest"), ("profile", "test")
        ),
        # of .cargo: what "cargo test" means, and what runs the tests
        "config.toml": toml_tables(
            *(("alias",), ("target",), ("build", "rustc")),
            *(("build", "rustc-wrapper"), ("build", "rustc-workspace-wrapper")),
        ),
    }
    log_lines = LogLines(
        noise=(r"\.\.\. (?:ok|ignored)$",),
        failed=(
            r"^test \S.* \.\.\. FAILED$",
            r"^\s+(?:FAIL|SIG[A-Z]+|TIMEOUT) \[",
        ),
        error=(r"\bpanicked at\b|\berror\[E\d+\]: ",),
        library=(r"/rustc/|\.cargo/registry",),
        frame=(r"^\s*\d+: \S+::",),
        last=(r"^test result: FAILED|^\s+Summary \[",),
    )

    def find(self, tree: Tree, path: str) -> Found | None:
        if not tree.has(path, "Cargo.toml"):
            return None
        parsed = read_toml(tree, path, "Cargo.toml")
        package, workspace = table(parsed.data, "package"), table(parsed.data, "workspace")
        is_workspace = "workspace" in parsed.data
        problem = parsed.problem
        if problem is None and not package and not is_workspace:
            problem = "Cargo.toml: neither [package] nor [workspace]"
        if problem is None and table(package, "metadata").get("cargo-fuzz") is True:
            problem = "Cargo.toml: fuzz targets, which only cargo-fuzz builds"
        locked = tree.has(path, "Cargo.lock")
        evidence = [problem] if problem else []
        if package:
            evidence.append(f"Cargo.toml: [package] {text(package.get('name'))}".rstrip())
        if is_workspace:
            evidence.append("Cargo.toml: [workspace]")
        if locked:
            evidence.append("Cargo.lock")
        everything = ("--workspace",) if is_workspace else ()
        detected = Detected(
            name=self.name,
            manager="cargo",
            path=path,
            confidence=0.3 if problem else 0.95 if locked else 0.9,
            evidence=tuple(evidence),
            install=(("cargo", "fetch", "--locked") if locked else ("cargo", "fetch"),),
            build=(("cargo", "build", *everything),),
            test=(("cargo", "test", *everything),),
            manifests=tuple(
                join(path, name) for name in ("Cargo.toml", "Cargo.lock") if tree.has(path, name)
            ),
        )
        if not is_workspace:
            return Found(detected)
        return Found(detected, members=("**",), excluded=_not_members(tree, path, workspace))


def _not_members(tree: Tree, path: str, workspace: object) -> tuple[str, ...]:
    """Folders below a workspace that stand alone.

    Cargo refuses to build any other crate below a workspace that is no member of it, so what is
    not excluded, and is no workspace itself, belongs to it, by name or as a path dependency.
    """
    excluded = list(strings(table(workspace).get("exclude")))
    for folder in tree.below(path):
        if folder.path != path and "Cargo.toml" in folder.files:
            inner = read_toml(tree, folder.path, "Cargo.toml").data
            if "workspace" in inner:
                place = inside(folder.path, path)
                excluded += [place, f"{place}/**"]
    return tuple(excluded)
