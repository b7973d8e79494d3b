"""Which projects a run installs, and whose failure is only a warning."""

import pytest

from autopack.toolchains import Detected
from autopack.toolchains.needed import needed


def project(name: str, path: str = ".", *, confidence: float = 0.9, test: bool = True) -> Detected:
    return Detected(name, "m", path, confidence, (), test=(("t",),) if test else ())


PYTHON, NODE, GO = project("python"), project("node", "web"), project("go", "svc")
UNTESTED = project("node", "assets", test=False)
OTHER_PYTHON = project("python", "plugins/x")

# checks, whether others are inferred, projects, those installed ("!" where failing is a warning)
CASES = [
    # inferred checks need what they judge
    ([], True, [PYTHON, NODE], ["python .", "node web"]),
    ([], True, [PYTHON, UNTESTED], ["python .", "node assets!"]),
    # a check names its language, and nothing else is installed
    (["pytest -q"], False, [PYTHON, NODE, GO], ["python ."]),
    (["python -m pytest"], False, [PYTHON, NODE], ["python ."]),
    (["npx vitest run"], False, [PYTHON, NODE], ["node web"]),
    (["sh -c 'cd svc && go test ./...'"], False, [PYTHON, GO], ["go svc"]),
    (["./gradlew test"], False, [PYTHON, project("java")], ["java ."]),
    (["pytest", "npm test"], False, [PYTHON, NODE, GO], ["python .", "node web"]),
    # of several projects of a language the root's, and those that a check names
    (["pytest"], False, [PYTHON, OTHER_PYTHON], ["python .", "python plugins/x!"]),
    (["pytest plugins/x"], False, [PYTHON, OTHER_PYTHON], ["python .", "python plugins/x"]),
    # a check that tells nothing: everything may be needed, and may fail
    (["make test"], False, [PYTHON, NODE], ["python .!", "node web!"]),
    (["test -e a.txt"], False, [PYTHON], ["python .!"]),
    (["pytest", "make lint"], False, [PYTHON, NODE], ["python .", "node web!"]),
    # beside the project
    (["make test"], False, [project("python", "docs", confidence=0.3)], []),
    ([], True, [project("python", "docs", confidence=0.3)], []),
]


@pytest.mark.parametrize(("checks", "inferred", "projects", "expected"), CASES)
def test_what_is_installed(
    checks: list[str], inferred: bool, projects: list[Detected], expected: list[str]
) -> None:
    import shlex

    found = needed(projects, [tuple(shlex.split(each)) for each in checks], inferred=inferred)
    said = [f"{n.project.name} {n.project.path}{'' if n.required else '!'}" for n in found]
    assert said == expected
