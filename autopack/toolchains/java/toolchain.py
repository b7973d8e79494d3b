"""Java: Maven and Gradle builds, through their wrappers where the project has them."""

from __future__ import annotations

import os
import posixpath
import sys

from autopack.model.causes import FailureCause
from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.manifests import read_xml, without_comments
from autopack.toolchains.test_sections import blocks
from autopack.toolchains.toolchain import Command, Detected, Found, Missed, Toolchain
from autopack.toolchains.tree import (
    Tree,
    Unreadable,
    inside,
    join,
)

_ENDINGS = ("java", "kt", "groovy", "scala")
_BUILD = ("build.gradle.kts", "build.gradle")
_OF_TESTS = (
    r"\btest(?!Implementation|CompileOnly|RuntimeOnly)\w*\b|\bTest\b|useJUnit|jacoco|\bcheck\b"
)
_SETTINGS = ("settings.gradle.kts", "settings.gradle")


class Java(Toolchain):
    """Projects with a pom.xml or Gradle scripts."""

    name = "java"
    languages = {"Java": "java kt kts groovy scala"}
    programs = ("mvn", "mvnw", "gradle", "gradlew", "java", "javac")
    manifests = ("pom.xml", "*.gradle", "*.gradle.kts")
    lock_files = ("gradle.lockfile",)
    settings = ("pom.xml", *_BUILD, "gradle.properties")
    safe_commands = (
        *(("mvn", "test"), ("mvn", "verify"), ("gradle", "test"), ("./gradlew", "test")),
    )
    missed = (
        Missed(r"requires a project to execute but there is no POM in this directory", "pom.xml"),
        Missed(r"does not contain a Gradle build\b", "build.gradle"),
    )
    messages = {
        FailureCause.IMPORT_ERROR: {
            "package ": r"\berror: package [\w.]{1,200} does not exist\b",
        },
    }
    readable = (".sdkman",)
    index_settings = (".gradle/gradle.properties", ".m2/settings.xml")
    variables = (
        r"J(AVA|DK|RE)_\w+|_JAVA_OPTIONS|(MAVEN|M2|GRADLE|KOTLIN|ANDROID|SCALA|SBT|ANT|SDKMAN)_\w+"
        r"|M2",
    )
    generated = (".gradle/",)
    test_files = (
        *(f"*{kind}.{end}" for kind in ("Test", "Tests", "Spec", "IT") for end in _ENDINGS),
    )
    test_settings = (
        *("testng.xml", "junit-platform.properties", "maven.config", "jvm.config"),
        *("mvnw", "mvnw.cmd", "gradlew", "gradlew.bat"),
    )
    test_sections = {
        **dict.fromkeys(_BUILD, blocks(_OF_TESTS)),
        "gradle.properties": blocks(_OF_TESTS),
        "pom.xml": blocks(
            r"(?i)surefire|failsafe|jacoco|skip\w*tests?|maven\.test|test\w*(?:directory|resources>)"
            r"|testFailureIgnore|<(?:exclude|include|groups|excludedGroups)\b"
        ),
    }
    log_lines = LogLines(
        noise=(r"^\[INFO\]|^> Task \S+(?: UP-TO-DATE| NO-SOURCE)?$",),
        failed=(r"<<< (?:FAILURE|ERROR)!|^\S.* > .* FAILED$",),
        library=(r"\bjava\.base/|org\.junit\.|\bjdk\.internal",),
        last=(r"Tests run: \d+, Failures: \d+, Errors: \d+, Skipped: \d+$|^\d+ tests completed, ",),
    )

    def find(self, tree: Tree, path: str) -> Found | None:
        maven, gradle = self._maven(tree, path), self._gradle(tree, path)
        if maven is None or gradle is None:
            return maven or gradle
        gradle_first = tree.has(path, "gradlew") and not tree.has(path, "mvnw")
        chosen, other = (gradle, maven) if gradle_first else (maven, gradle)
        return _with_rival(chosen, other)

    def _maven(self, tree: Tree, path: str) -> Found | None:
        if not tree.has(path, "pom.xml"):
            return None
        root, problem = read_xml(tree, path, "pom.xml")
        if root is not None and _local(root.tag) != "project":
            root, problem = None, f"pom.xml: the root element is {_local(root.tag)}, not project"
        artifact, modules = "", list[str]()
        for element in root if root is not None else ():
            if _local(element.tag) == "artifactId":
                artifact = (element.text or "").strip()
        if root is not None:
            # Modules of a profile count: they are built by somebody, and never stand alone.
            modules = [
                posixpath.normpath((module.text or "").strip()).removesuffix("/pom.xml")
                for group in root.iter()
                if _local(group.tag) == "modules"
                for module in group
                if _local(module.tag) == "module" and (module.text or "").strip()
            ]
        evidence = [problem or f"pom.xml: {artifact or 'project'}"]
        if modules:
            evidence.append(f"pom.xml: modules {', '.join(modules)}")
        program = _wrapper(tree, path, "mvnw", "mvnw.cmd", evidence) or ("mvn",)
        quiet = (*program, "-B", "-q")
        detected = Detected(
            name=self.name,
            manager="maven",
            path=path,
            confidence=0.3 if problem else 0.95,
            evidence=tuple(evidence),
            # Modules that depend on each other cannot be resolved before they are compiled.
            install=() if modules else ((*quiet, "dependency:resolve"),),
            build=((*quiet, "-DskipTests", "package"),),
            test=((*quiet, "test"),),
            manifests=(join(path, "pom.xml"),),
        )
        return Found(detected, members=tuple(modules))

    def _gradle(self, tree: Tree, path: str) -> Found | None:
        scripts = [name for name in (*_SETTINGS, *_BUILD) if tree.has(path, name)]
        if not scripts:
            return None
        problems = [problem for name in scripts if (problem := _script_problem(tree, path, name))]
        evidence = problems or list(scripts)
        program = _wrapper(tree, path, "gradlew", "gradlew.bat", evidence) or ("gradle",)
        # A daemon would outlive the run.
        once = ("--no-daemon", "--console=plain")
        detected = Detected(
            name=self.name,
            manager="gradle",
            path=path,
            confidence=0.3 if len(problems) == len(scripts) else 0.9,
            evidence=tuple(evidence),
            install=((*program, "dependencies", "-q", *once),),
            build=((*program, "assemble", *once),),
            test=((*program, "test", *once),),
            manifests=tuple(join(path, name) for name in scripts),
        )
        if not any(name in scripts for name in _SETTINGS):
            return Found(detected)
        return Found(detected, members=("**",), excluded=_own_builds(tree, path))


def _with_rival(chosen: Found, other: Found) -> Found:
    """Return the build that is used, less sure because the folder can be built another way too."""
    one, two = chosen.detected, other.detected
    detected = Detected(
        name=one.name,
        manager=one.manager,
        path=one.path,
        confidence=min(one.confidence, 0.7),
        evidence=(
            *one.evidence,
            *two.evidence,
            f"also a {two.manager} build: {one.manager} is used",
        ),
        install=one.install,
        build=one.build,
        test=one.test,
        manifests=(*one.manifests, *two.manifests),
    )
    return Found(detected, members=(*chosen.members, *other.members), excluded=chosen.excluded)


def _wrapper(
    tree: Tree, path: str, script: str, windows: str, evidence: list[str]
) -> Command | None:
    """Return the wrapper's command, when the folder has one that can start on this machine."""
    name = windows if sys.platform == "win32" else script
    if not tree.has(path, name):
        return None
    jar = tree.root / path / "gradle" / "wrapper" / "gradle-wrapper.jar"
    if script == "gradlew" and not jar.is_file():
        evidence.append(f"{name}: its gradle/wrapper/gradle-wrapper.jar is missing, so not used")
        return None
    evidence.append(name)
    if sys.platform == "win32":
        return (name,)
    if os.access(tree.root / path / name, os.X_OK):
        return (f"./{name}",)
    return ("sh", f"./{name}")


def _script_problem(tree: Tree, path: str, name: str) -> str | None:
    try:
        source = without_comments(tree.read(join(path, name)))
    except Unreadable as error:
        return f"{name}: cannot be read ({error})"
    empty_is_fine = name in _SETTINGS
    return None if source.strip() or empty_is_fine else f"{name}: nothing but comments"


def _own_builds(tree: Tree, path: str) -> tuple[str, ...]:
    """Folders below a Gradle build that stand alone: own settings, or Maven's."""
    own: list[str] = []
    for folder in tree.below(path):
        place = inside(folder.path, path)
        is_build = any(name in folder.files for name in _SETTINGS) or (
            "pom.xml" in folder.files and not any(name in folder.files for name in _BUILD)
        )
        # buildSrc is compiled by Gradle itself, whatever it holds.
        if folder.path != path and is_build and place != "buildSrc":
            own += [place, f"{place}/**"]
    return tuple(own)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
