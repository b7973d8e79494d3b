"""Takes the fingerprint of a run that is about to start."""

from __future__ import annotations

import getpass
import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from autopack import __version__
from autopack.model.fingerprint import (
    Fingerprint,
    digest,
    feature_hash,
    model_mapping,
    prompt_hash,
)
from autopack.model.locations import is_there
from autopack.settings import OPERATOR, Role, of_role
from autopack.store.runs import RunRow
from autopack.toolchains.toolchain import Detected
from autopack.toolchains.toolchain_registry import is_named
from autopack.toolchains.toolchain_registry import toolchains as known_toolchains
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import SourceRepository


def take_fingerprint(
    run: RunRow,
    *,
    source: SourceRepository,
    mirror: Mirror,
    toolchains: Sequence[Detected],
    configuration: Mapping[str, str],
    now: datetime,
    environ: Mapping[str, str],
) -> Fingerprint:
    """Return the fingerprint of ``run``.

    ``toolchains`` are those of its base commit; ``configuration`` is what shapes its builds
    besides the builder's options.
    """
    models = model_mapping(run.models, run.model)
    return Fingerprint(
        commit_sha=run.base_commit,
        tree_hash=mirror.tree_of(run.base_commit),
        dirty=None if source.is_url else source.is_dirty(),
        run_spec_hash=run.plan_hash,
        environment_hash=environment_hash(mirror, run.base_commit, toolchains),
        platform=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        settings={name: environ[name] for name in of_role(Role.CHANGES_RUNS) if environ.get(name)},
        autopack_version=__version__,
        repo_url=run.repo,
        branch=source.current_branch(),
        operator=operator(environ),
        builder=run.builder,
        builder_options=dict(run.builder_options),
        option_files={**option_files(run.builder_options), **configuration},
        models=models,
        model_mapping_hash=digest(models),
        features=tuple(sorted(run.features)),
        feature_hash=feature_hash(run.features),
        prompt_hash=prompt_hash(run.prompt),
        token_cap=run.token_cap,
        at_cap=run.at_cap,
        timestamp=now,
    )


def environment_hash(mirror: Mirror, commit: str, toolchains: Sequence[Detected]) -> str:
    """Return a digest of the project's tools and of its manifests and lock files at ``commit``."""
    manifests = {name for one in toolchains for name in one.manifests}
    locks = [name for one in known_toolchains() for name in one.lock_files]
    files = {
        path: blob
        for path, blob in _blobs(mirror, commit)
        if path in manifests or is_named(path, locks)
    }
    return digest({"toolchains": [asdict(one) for one in toolchains], "files": files})


def _blobs(mirror: Mirror, commit: str) -> list[tuple[str, str]]:
    listed = mirror.git.run("ls-tree", "-r", "-z", commit)
    entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
    return [(path, about.split()[-1]) for about, _, path in entries]


def option_files(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each file, or of all files of each folder, that an option names."""
    return {
        name: _hash_of(Path(value))
        for name, value in sorted(options.items())
        if isinstance(value, str) and Path(value).is_absolute() and is_there(value)
    }


def _hash_of(path: Path) -> str:
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        whole.update(f"{file.relative_to(path).as_posix()}\0{_hash_of(file)}\0".encode())
    return whole.hexdigest()


def operator(environ: Mapping[str, str] | None = None) -> str:
    """Return who starts runs here: AUTOPACK_OPERATOR, else the user and the machine."""
    named = OPERATOR.of(environ)
    if named is not None:
        return named
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this user id
        user = "unknown"
    return f"{user}@{platform.node()}"
