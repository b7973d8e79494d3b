"""Tries toolchain detection on source distributions of real packages in five languages.

Run: python tests/bench/repositories.py --fetch [--run] [--only NAME]… [--keep DIR]

Without ``--fetch`` it only lists the packages. With it each one is downloaded by its registry's own
client (pip, npm, apt-get) and must be recognised as declared; with ``--run`` its setup and its
inferred checks run as well, where their programs are installed here. Prints a row a package and the
counts: right (recognised; checks pass), partly (recognised; some checks fail, or cannot be
installed), wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from autopack.environments.environment import Checkout, EnvironmentFailed, Wanted, prepare
from autopack.toolchains.detect import detect, inferred_checks
from autopack.toolchains.needed import needed


@dataclass(frozen=True)
class Package:
    """A package, where it comes from, and what must be seen in it."""

    registry: str
    name: str
    toolchain: str
    test: str = ""


# An empty test: the distribution has none, which must be seen as well.
PACKAGES = [
    Package("pypi", "inflection==0.5.1", "python", "pytest"),
    Package("pypi", "humanize==4.17.0", "python", "pytest"),
    Package("pypi", "more-itertools==11.2.1", "python", "unittest"),
    Package("pypi", "toolz==1.2.0", "python", "pytest"),
    Package("pypi", "python-slugify==9.1.3", "python", "pytest"),
    Package("pypi", "iniconfig==2.3.1", "python", "pytest"),
    Package("pypi", "click==8.5.1", "python", "pytest"),
    Package("pypi", "jinja2==3.1.6", "python", "pytest"),
    Package("pypi", "tomli==2.4.0", "python", "unittest"),
    Package("npm", "minimist@1.2.8", "node", "npm test"),
    Package("npm", "qs@6.14.0", "node", "npm test"),
    Package("npm", "object-inspect@1.13.4", "node", "npm test"),
    Package("npm", "has-symbols@1.1.0", "node", "npm test"),
    Package("npm", "deep-equal@2.2.3", "node", "npm test"),
    Package("debian", "golang-github-gorilla-mux", "go", "go test"),
    Package("debian", "golang-github-google-uuid", "go", "go test"),
    Package("debian", "golang-github-spf13-pflag", "go", "go test"),
    Package("debian", "golang-github-mattn-go-isatty", "go", "go test"),
    Package("debian", "fd-find", "rust", "cargo test"),
    Package("debian", "ripgrep", "rust", "cargo test"),
    Package("debian", "bat", "rust", "cargo test"),
    Package("debian", "libcommons-lang3-java", "java", "mvn"),
    Package("debian", "libcommons-codec-java", "java", "mvn"),
    Package("debian", "jsoup", "java", "mvn"),
]


def main() -> None:
    """Try the packages that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    chosen = [p for p in PACKAGES if not options.only or p.name in options.only]
    if not options.fetch:
        for package in chosen:
            print(f"{package.registry:7} {package.name}")
        return
    folder = options.keep or Path(tempfile.mkdtemp(prefix="autopack-repositories-"))
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(("right", "partly", "wrong", "not fetched"), 0)
    try:
        apt = _Apt(folder / "apt")
        for package in chosen:
            verdict, why = _try(package, folder / "sources", apt, run=options.run)
            counts[verdict] += 1  # pyright: ignore[reportArgumentType]
            print(f"{verdict:11} {package.registry:7} {package.name:32} {why}", flush=True)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    sys.exit(bool(counts["wrong"]))


def _try(package: Package, folder: Path, apt: _Apt, *, run: bool) -> tuple[str, str]:
    place = folder / package.name.replace("=", "-").replace("@", "-")
    place.mkdir(parents=True, exist_ok=True)
    try:
        root = _fetched(package, place, apt)
    except (subprocess.CalledProcessError, OSError, tarfile.TarError) as error:
        return "not fetched", str(error)[:80]
    found = detect(root)
    checks = inferred_checks(found)
    said = "; ".join(shlex.join(check.argv) for check in checks)
    if not found or found[0].name != package.toolchain or package.test not in said:
        best = f"{found[0].name}/{found[0].manager}" if found else "nothing"
        return "wrong", f"{best}: {said or 'no checks'}"
    if not run:
        return "right", said
    return asyncio.run(_run(root, place / "environment"))


async def _run(root: Path, folder: Path) -> tuple[str, str]:
    found = detect(root)
    try:
        made = await prepare(
            folder,
            Checkout(root),
            Wanted(None, needed(found, [], inferred=True)),
            run_step=_step,  # pyright: ignore[reportArgumentType]
            environ=os.environ,
        )
    except EnvironmentFailed as error:
        return "partly", error.message[:100]
    for check in inferred_checks(found):
        ended = await _step(check.argv, root / check.path, dict(made.variables), "check")
        if ended.status != 0:
            return "partly", f"{shlex.join(check.argv)} exited with {ended.status}"
    return "right", "installed, and its checks pass"


@dataclass(frozen=True)
class _Ended:
    status: int | None
    tail: str


async def _step(argv: tuple[str, ...], cwd: Path, env: dict[str, str], label: str) -> _Ended:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except FileNotFoundError:
        return _Ended(127, f"{argv[0]} is not installed here")
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), 600)
    except TimeoutError:
        process.kill()
        return _Ended(None, "ran for ten minutes")
    return _Ended(process.returncode, printed.decode(errors="replace")[-2000:])


def _fetched(package: Package, place: Path, apt: _Apt) -> Path:
    """The unpacked sources as a git repository."""
    if package.registry == "debian":
        root = apt.source(package.name, place)
    else:
        if package.registry == "pypi":
            pip = [sys.executable, "-m", "pip"] if shutil.which("pip") is None else ["pip"]
            _call(
                *pip, "download", "-q", "--no-deps", "--no-binary", ":all:", package.name, at=place
            )
        else:
            _call("npm", "pack", "--silent", package.name, at=place)
        (archive,) = [*place.glob("*.tar.gz"), *place.glob("*.tgz")]
        with tarfile.open(archive) as packed:
            for member in packed:
                member.uid = member.gid = 0
                if member.isreg() or member.isdir():
                    packed.extract(member, place / "unpacked")
        (root,) = (place / "unpacked").iterdir()
    if not (root / ".git").exists():
        _call("git", "init", "-q", at=root)
    return root


class _Apt:
    """Debian's source packages, by lists of its own, so that the machine's stay as they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def source(self, name: str, place: Path) -> Path:
        """Unpack the sources of ``name`` below ``place``."""
        if not self._folder.exists():
            self._make()
        _call("apt-get", *self._options, "source", "-qq", name, at=place)
        return next(path for path in place.iterdir() if (path / "debian").is_dir())

    @property
    def _options(self) -> list[str]:
        lists, sources = self._folder / "lists", self._folder / "sources.list"
        return [
            f"-oDir::State::lists={lists}",
            f"-oDir::Etc::sourcelist={sources}",
            "-oDir::Etc::sourceparts=-",
            "-oAPT::Sandbox::User=root",
        ]

    def _make(self) -> None:
        (self._folder / "lists" / "partial").mkdir(parents=True)
        lines: list[str] = []
        etc = Path("/etc/apt")
        for file in [etc / "sources.list", *(etc / "sources.list.d").glob("*.list")]:
            text = file.read_text(encoding="utf-8") if file.is_file() else ""
            lines += [
                line.replace("deb ", "deb-src ", 1)
                for line in text.splitlines()
                if line.startswith("deb ")
            ]
        for file in (etc / "sources.list.d").glob("*.sources"):
            for stanza in file.read_text(encoding="utf-8").split("\n\n"):
                fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
                signed = f"[signed-by={fields['Signed-By']}] " if "Signed-By" in fields else ""
                lines += [
                    f"deb-src {signed}{fields['URIs']} {suite} {fields['Components']}"
                    for suite in fields.get("Suites", "").split()
                ]
        (self._folder / "sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        _call("apt-get", *self._options, "update", "-qq", at=self._folder)


def _call(*argv: str, at: Path) -> None:
    subprocess.run(argv, cwd=at, check=True, capture_output=True)


if __name__ == "__main__":
    main()
