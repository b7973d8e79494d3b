"""Why the file of an experiment is another one than was registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return in what the bodies of two registrations differ, as a person would say it."""
    found = [
        f"plan {name} was edited"
        for name in old["plans"].keys() & new["plans"].keys()
        if old["plans"][name] != new["plans"][name]
    ]
    found += [f"plan {name} is no longer there" for name in old["plans"].keys() - new["plans"]]
    found += [f"plan {name} was added" for name in new["plans"].keys() - old["plans"]]
    for arm, files in new["files"].items():
        found += [
            f"the file of {arm}'s option {name} was edited"
            for name, digest in files.items()
            if old["files"][arm].get(name, digest) != digest
        ]
    declared = old["declared"], new["declared"]
    found += [
        f"{name} was changed"
        for name in declared[1]
        if name not in ("plans", "concurrency") and declared[0].get(name) != declared[1][name]
    ]
    return sorted(found)
