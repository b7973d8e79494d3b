"""The repository that a run is pushed to, so that another machine can resume it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.failpoints import Step, durable
from autopack.model.errors import BadInput, GitFailed
from autopack.model.locations import expanded, is_folder, is_url
from autopack.secrecy.addresses import check_no_secret
from autopack.workspace.git import Git
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import (
    SourceRepository,
    is_on_this_machine,
    without_credentials,
)
from autopack.workspace.user.room import check_room_at, taken_branch

_LOOK_SECONDS = 120.0
_PUSH_SECONDS = 600.0
_FETCH_SECONDS = 3600.0
# A server that falls silent is given up after a minute.
_IMPATIENT = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60")


@dataclass(frozen=True)
class Remote:
    """A repository that takes refs. ``name`` is what the user calls it, ``address`` git's."""

    name: str
    address: str

    @classmethod
    def named(cls, name: str, source: SourceRepository) -> Remote:
        """Return the remote called ``name`` in ``source``, or the path or URL ``name``.

        Raises BadInput naming the field ``push``.
        """
        if not name.strip() or name.startswith("-") or "\0" in name:
            raise _unusable(name, "is not the name of a remote")
        listed = [] if source.is_url else source.git.run("remote").split()
        if name in listed:
            address = source.git.run("remote", "get-url", "--push", name).splitlines()[0]
            if not is_url(address):
                address = str(Path(source.location, expanded(address, "push")))
            return cls(name, address)
        if is_url(name):
            check_no_secret(name, "push")
            return cls(name, name)
        folder = expanded(name, "push")
        if not is_folder(folder):
            known = f"; the remotes are {', '.join(listed)}" if listed else ""
            raise _unusable(name, f"is neither a remote of {source.location} nor a folder{known}")
        return cls(str(folder.resolve()), str(folder.resolve()))

    @classmethod
    def checked(
        cls,
        name: str,
        source: SourceRepository,
        commit: str,
        *,
        home: Path,
        run_id: str,
        name_here: str,
        is_new: bool = True,
    ) -> Remote:
        """As ``named``, and it takes ``commit`` from a run of that id now; nothing is pushed.

        ``name_here`` is what the run is called in the mirror: the name of its folder. A run that
        ``is_new`` must find its branch free there. Raises BadInput naming the field ``push``,
        RepositoryError where there is no such commit.
        """
        remote = cls.named(name, source)
        mirror = Mirror.open(home, source, alias=(run_id, name_here))
        mirror.ensure(commit, run_id)
        remote.check(mirror, commit, run_id, is_new=is_new)
        return remote

    def check(self, mirror: Mirror, commit: str, run_id: str, *, is_new: bool = True) -> None:
        """Raise BadInput when ``commit`` could not be pushed there; nothing is pushed."""
        git = self._git(mirror)
        try:
            git.run(
                *_IMPATIENT, "push", "--dry-run", *_QUIETLY, "--", self.address,
                f"+{commit}:{_base_ref(run_id)}",
                timeout=_LOOK_SECONDS,
            )  # fmt: skip
            if is_new:
                check_room_at(git, self.name, self.address, run_id, commit, *_IMPATIENT)
        except GitFailed as error:
            said = without_credentials(error.message)
            raise _unusable(self.name, f"cannot be pushed to: {said}") from None

    def check_branches(
        self, source: SourceRepository, run_ids: Sequence[str], *, home: Path
    ) -> None:
        """Raise BadInput when the branch of any of the new runs is taken there."""
        mirror = Mirror.open(home, source)
        found = taken_branch(self._listed(mirror, "refs/heads/autopack*"), run_ids)
        if found is not None:
            raise BadInput(
                f"{self.name} has a branch {found[0]}, where the result of run {found[1]} would be",
                field="push",
                hint="choose another name, or rename the branch there",
            )

    def push(
        self, mirror: Mirror, run_id: str, base: str, head: str | None, ours: Mapping[str, str]
    ) -> None:
        """Give the remote the run's base, its attempts, and its branch at ``head`` if it has one.

        ``ours`` are the attempts' refs with their commits. The branch is ours to move while it
        stands at one of them or does not exist. Every ref moves by compare-and-swap from where it
        stood when the mirror's fence was last asked, so that a push which was overtaken changes
        nothing; one is ended once the fence is lost. Raises LeaseLost, and GitFailed without
        credentials in it.
        """
        branch = f"refs/heads/autopack/{run_id}"
        wanted = {ref: commit for ref, commit in ours.items() if mirror.has(commit)}
        wanted[_base_ref(run_id)] = base
        moved_by_others = None
        try:
            there = self._listed(mirror, branch, _base_ref(run_id), f"refs/autopack/{run_id}/*")
            if head is not None:
                standing = there.get(branch)
                if standing is None or standing == head or standing in ours.values():
                    wanted[branch] = head
                else:
                    moved_by_others = standing
            moving = [(ref, new) for ref, new in wanted.items() if there.get(ref) != new]
            mirror.fence.check()
            if moving:
                with durable(Step.PUSHED):
                    self._git(mirror).run(
                        *_IMPATIENT, "push", *_QUIETLY,
                        *(f"--force-with-lease={ref}:{there.get(ref, '')}" for ref, _ in moving),
                        "--", self.address, *(f"{new}:{ref}" for ref, new in moving),
                        timeout=_PUSH_SECONDS,
                    )  # fmt: skip
        except GitFailed as error:
            raise GitFailed(without_credentials(error.message)) from None
        if moved_by_others:
            raise GitFailed(
                f"{branch.removeprefix('refs/heads/')} in {self.name} was moved to "
                f"{moved_by_others} by somebody else: Autopack does not overwrite it"
            )

    def push_branch(self, mirror: Mirror, branch: str, head: str, ours: Mapping[str, str]) -> bool:
        """Give the remote a run's ``branch`` at ``head``; return whether it stood elsewhere.

        As in `push`, it is ours to move while it stands at one of ``ours`` or does not exist.
        Raises GitFailed.
        """
        ref = f"refs/heads/{branch}"
        try:
            standing = self._listed(mirror, ref).get(ref)
            if standing == head:
                return False
            if standing is not None and standing not in ours.values():
                raise GitFailed(
                    f"{branch} in {self.name} was moved to {standing} by somebody else: "
                    "Autopack does not overwrite it"
                )
            mirror.fence.check()
            self._git(mirror).run(
                *_IMPATIENT, "push", *_QUIETLY, f"--force-with-lease={ref}:{standing or ''}",
                "--", self.address, f"{head}:{ref}",
                timeout=_PUSH_SECONDS,
            )  # fmt: skip
        except GitFailed as error:
            raise GitFailed(without_credentials(error.message)) from None
        return True

    def fetch(self, mirror: Mirror, run_id: str, refs: Mapping[str, str]) -> None:
        """Bring the commits of ``refs``, as far as they are there, into the mirror."""
        wanted = {_base_ref(run_id), *refs}
        try:
            listed = self._git(mirror).run(
                *_IMPATIENT, "ls-remote", "--", self.address, f"refs/autopack/{run_id}/*",
                _base_ref(run_id),
                timeout=_LOOK_SECONDS,
            )  # fmt: skip
            there = {line.partition("\t")[2] for line in listed.splitlines()} & wanted
            if there:
                self._git(mirror).run(
                    *_IMPATIENT, "fetch", "--no-write-fetch-head", "--no-auto-maintenance",
                    "--no-tags", "--", self.address, *_into(mirror, run_id, there),
                    timeout=_FETCH_SECONDS,
                )  # fmt: skip
        except GitFailed as error:
            raise GitFailed(without_credentials(error.message)) from None

    def _listed(self, mirror: Mirror, *patterns: str) -> dict[str, str]:
        """Return where the refs that match stand in the remote."""
        listed = self._git(mirror).run(
            *_IMPATIENT, "ls-remote", "--", self.address, *patterns, timeout=_LOOK_SECONDS
        )
        entries = (line.partition("\t") for line in listed.splitlines())
        return {ref: commit for commit, _, ref in entries}

    def _git(self, mirror: Mirror) -> Git:
        named = is_on_this_machine(self.address)
        return Git(git_dir=mirror.git_dir, as_user=True, named=named, is_over=mirror.fence.is_lost)


_QUIETLY = ("--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")


def _into(mirror: Mirror, run_id: str, refs: Iterable[str]) -> list[str]:
    """Return what git fetches each ref of the run to."""
    here = mirror.name_here(run_id)
    return [f"+{ref}:{_renamed(ref, here)}" for ref in sorted(refs)]


def _renamed(ref: str, name: str) -> str:
    """Return a ref of a run, ``refs/<kind>/<run>…``, as that of a run called ``name``."""
    refs, kind, _, *rest = ref.split("/")
    return "/".join((refs, kind, name, *rest))


def _base_ref(run_id: str) -> str:
    return f"refs/autopack-base/{run_id}"


def _unusable(name: str, reason: str, *, hint: str | None = None) -> BadInput:
    return BadInput(
        f"{name!r} {reason}",
        field="push",
        hint=hint or "name a remote of the repository, a folder or a URL",
    )
