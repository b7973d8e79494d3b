"""Small experiments: plans, simulated agents of two kinds, and the file that compares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.projects import make_repository, write_yaml


@dataclass(frozen=True)
class Trial:
    """An experiment file with everything that it names."""

    spec: Path
    repository: Path
    plans: tuple[Path, ...]
    agents: Mapping[str, Path]


def agent(tokens: float, *, success: float = 1.0, sigma: float = 0.2) -> dict[str, Any]:
    """A simulated agent that spends about ``tokens`` a build, in one call."""
    return {
        "calls": 1,
        "input": {"lognormal": {"median": tokens, "sigma": sigma}},
        "output": 0,
        "success": success,
    }


def make_trial(
    folder: Path,
    *,
    plans: int,
    phases: int = 1,
    control: Mapping[str, Any],
    treatment: Mapping[str, Any],
    attempts: int = 3,
    minutes: float = 120,
    features: Sequence[str] = (),
    instead: Mapping[str, Any] | None = None,
    **more: Any,
) -> Trial:
    """An experiment over ``plans`` plans of ``phases`` phases.

    ``more`` is added to its file, ``instead`` takes the place of what the file would say.
    """
    repository = make_repository(folder / "repository", {"README.md": "hello\n"})
    paths = tuple(
        write_yaml(
            folder / f"plan-{number}.yaml",
            {
                "goal": f"Plan {number}",
                "setup": [],
                "features": list(features),
                "budget": {"tokens": 100_000, "minutes": minutes},
                "phases": [
                    {
                        "id": f"p{number}-{phase}",
                        "instructions": "do it",
                        "deliverables": [f"f{phase}.txt"],
                        "validate": [f"grep -q done f{phase}.txt"],
                        "budget": {"attempts": attempts},
                    }
                    for phase in range(phases)
                ],
            },
        )
        for number in range(plans)
    )
    agents = {
        name: write_yaml(folder / f"{name}.yaml", dict(spec))
        for name, spec in (("control", control), ("treatment", treatment))
    }
    declared = {
        "name": "trial",
        "plans": [path.name for path in paths],
        "repo": "repository",
        "both": {"builder": "simulated"},
        "control": {"options": {"spec": "control.yaml", "seed": "1{pair}"}},
        "treatment": {"options": {"spec": "treatment.yaml", "seed": "2{pair}"}},
    }
    return Trial(
        write_yaml(folder / "ab.yaml", declared | more | dict(instead or {})),
        repository,
        paths,
        agents,
    )
