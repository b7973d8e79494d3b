"""One word for one thing: what must not stand in help, pages, descriptions and docstrings."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("autopack", "blocks", "tasks", "flows", "deployments")
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    ROOT / "prefect.yaml",
]

# what must not be written, what is written instead
WORDS = [
    (r"go(es|ing)? on with|went on with|gone on with", "resume"),
    (r"(run|fleet|experiment|campaign|it|which) (then )?go(es)? on\b", "resume, continue"),
    (r"(when|if) left out", "default: …"),
    (r"(is|are) left out", "skipped, omitted, unset"),
    (r"(give[sn]?|gave) (it |them |the run |a run |leases? )?back", "release a lease"),
    (r"forg(i|a)ve[ns]?\b", "baseline failures, ignored"),
    (r"\bred before", "baseline failures"),
    (r"\bmend(s|ed|ing)?\b", "fix, auto-fix, mitigate"),
    (r"\bthe dead\b|\bdead (process|holder|run)|\bdeaths?\b|\b(dies|died|dying)\b", "crash"),
    (r"\bstray(s|ed|ing)?\b", "drift, leftover"),
    (r"\bwhoever\b", "caller, user, operator"),
    (r"give[sn]? away|gave away", "push a branch"),
    (r"(?<!there )\bis no (cursor|builder|pattern|feature|command|run)\b", "invalid …, unknown …"),
    (r"\btakes? no other down\b", "does not affect the others"),
    (r"\bputs? right\b", "repair, reconcile"),
    (r"\blies about\b", "leftovers"),
]  # fmt: skip
OLD = "Commits of earlier versions say"
"""The line of a page that tells what earlier versions wrote."""


def said(text: str) -> Iterator[tuple[str, str]]:
    """Yield what must not be written, with what is written instead; what is code is no prose."""
    prose = re.sub(r"``.+?``|`[^`\n]+`", "CODE", text)
    for pattern, instead in WORDS:
        for found in re.finditer(pattern, " ".join(prose.split()), re.IGNORECASE):
            yield found[0], instead


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@functools.cache
def modules() -> list[tuple[Path, ast.Module]]:
    """Return what is ours, parsed; what a migration says is history."""
    paths = [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
    return [
        (path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8")))
        for path in paths
        if "versions" not in path.parts and "demo" not in path.parts
    ]


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield where a function of ours is, and its docstring."""
    for path, tree in modules():
        for node in functions(tree):
            decorators = " ".join(ast.unparse(one) for one in node.decorator_list)
            text = ast.get_docstring(node)
            if text and "property" not in decorators:
                yield f"{path}: {node.name}", text


def strings() -> Iterator[tuple[str, str]]:
    """Yield the texts that people are shown: those of errors, hints, notes, logs and help."""
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for word in [*node.args, *(one.value for one in node.keywords)]:
                    text = " ".join(
                        part.value
                        for part in ast.walk(word)
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    )
                    if " " in text and "\\" not in text:  # a pattern is no prose
                        yield f"{path}:{node.lineno}", text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_the_fields_words(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if OLD not in line)
    assert list(said(re.sub(r"(?ms)^ *```.*?^ *```", "", text))) == []


def test_docstrings_use_the_fields_words() -> None:
    assert [(where, found) for where, text in docstrings() for found in said(text)] == []


def test_messages_use_the_fields_words() -> None:
    assert sorted({(where, found) for where, text in strings() for found in said(text)}) == []


def test_docstrings_are_in_the_imperative() -> None:
    begins = re.compile(r"(What|Whether|How|Where|Why|When|Who|Which)\b")
    assert [where for where, text in docstrings() if begins.match(text)] == []


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("Go on with a run", "resume"),
        ("HEAD when\nleft out", "default: …"),
        ("its process died", "crash"),
        ("`left out` and ``died``", None),
    ],
)
def test_what_is_found(text: str, instead: str | None) -> None:
    assert [found[1] for found in said(text)] == ([instead] if instead else [])
