"""Folders whose projects illustrate, test or serve the repository rather than make it up."""

from __future__ import annotations

import re
from collections.abc import Collection

_WHOLE_NAMES = """
3rdparty __fixtures__ bench benches ci corpus deps doc docs documentation extern external hack
integration mock mocks perf performance script scripts site smoke spec specs support test testing
tests third-party third_party thirdparty website www
"""
_PARTS = """
benchmark benchmarks cookiecutter cypress demo demos e2e example examples fixture fixtures fuzz
fuzzing playground playgrounds playwright repro repros sample samples sandbox sandboxes scaffold
scaffolds skeleton skeletons snippets starter starters template templates testcases testdata
tutorial tutorials
"""
_PLACEHOLDER = re.compile(r"\{\{|\{%|<%|^\$\w+\$$|^%\w+%$")
"""A name that a generator of projects fills in: what lies there is a template."""

_WHOLE, _ANYWHERE = frozenset(_WHOLE_NAMES.split()), frozenset(_PARTS.split())


def is_beside(path: str, *, but: Collection[str] = ()) -> str | None:
    """Return the first folder on ``path`` that is beside the project, None when there is none.

    Some names count as parts, too: ``test-fixtures`` and ``e2e_apps`` are beside it as well.
    ``but`` are names that do not count here.
    """
    for name in path.lower().split("/") if path != "." else ():
        if name not in but and (name in _WHOLE or _ANYWHERE & set(re.split(r"[-_.]+", name))):
            return name
        if _PLACEHOLDER.search(name):
            return name
    return None
