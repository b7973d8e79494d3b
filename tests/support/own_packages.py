"""Installed packages of somebody else: one module, and its entry points beside it."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).parents[1]


def install(folder: Path, module: str, source: str, entry_points: str) -> Path:
    """Write the package into ``folder``, which is to be on PYTHONPATH."""
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    name = module.replace("_", "-")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    return folder


def environment(home: Path, *folders: Path) -> dict[str, str]:
    """A process's environment: it knows the packages in ``folders`` and has a home of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOPACK_", "PREFECT_"))}
    kept.pop("DATABASE_URL", None)
    paths = os.pathsep.join(map(str, (*folders, TESTS)))
    return kept | {"PYTHONPATH": paths, "AUTOPACK_HOME": str(home)}
