"""The files of a commit that an agent may be shown: text, tracked, of bearable size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autopack.model.errors import GitFailed
from autopack.secrecy.secret_files import is_secret_file
from autopack.workspace.content.byproducts import byproduct_folder, is_cache
from autopack.workspace.git import Git

MOST_BYTES = 1024 * 1024
"""A larger file is data, or was made by a program."""
_PLAIN = ("100644", "100755")
_AT_ONCE = 1_000
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BEYOND = re.compile(rb"[\x80-\xff]+")
_ALONE = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
_SHARE_ALONE = 0.8
_BYTES_AT_ONCE = 64 * 1024 * 1024


@dataclass(frozen=True)
class TreeFile:
    """A file of a commit, by path and the name of its content."""

    path: str
    blob: str
    size: int


def tree_of(git: Git, commit: str) -> str:
    """Return the name of a commit's tree, which is the same for the same files."""
    return git.run("rev-parse", "--verify", f"{commit}^{{tree}}").strip()


def listed_files(git: Git, commit: str) -> list[TreeFile]:
    """Return the plain files of ``commit`` by path.

    Not among them: links, submodules, by-products of tools, what people keep secrets in, what is
    too large, and names that cannot be printed on one line.
    """
    listing = git.run("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
    found: list[TreeFile] = []
    for entry in filter(None, listing.split("\0")):
        about, _, path = entry.partition("\t")
        mode, _, blob, size = about.split()
        if mode not in _PLAIN or not size.isdecimal():  # git has no size of what is not there
            continue
        if int(size) <= MOST_BYTES and _is_for_people(path):
            found.append(TreeFile(path, blob, int(size)))
    return sorted(found, key=lambda file: file.path)


def read_texts(
    git: Git, files: Sequence[TreeFile], *, western: bool = False
) -> Iterator[str | None]:
    """Yield what each of ``files`` holds, its line breaks as one kind; None for what is no text.

    Text is UTF-8, and with ``western`` also what older files of Western languages are in.
    """
    for content in read_contents(git, files):
        yield None if content is None else _text(content, western=western)


def read_contents(git: Git, files: Sequence[TreeFile]) -> Iterator[bytes | None]:
    """Yield the bytes of each of ``files``; None for one that is not there."""
    for part in _parts(files):
        args = ("cat-file", "--batch", "--buffer")
        finished = git.call(*args, input="".join(f"{file.blob}\n" for file in part))
        if finished.status != 0:
            raise GitFailed(f"git cat-file failed: {finished.errors.strip()}")
        output, at = finished.output, 0
        for _ in part:
            head = output.index(b"\n", at)
            told = output[at:head].rpartition(b" ")[2]
            if not told.isdigit():  # missing
                yield None
                at = head + 1
                continue
            yield output[head + 1 : head + 1 + int(told)]
            at = head + int(told) + 2


def is_text(content: bytes) -> bool:
    """Return whether bytes are text in UTF-8."""
    return _text(content, western=False) is not None


def _parts(files: Sequence[TreeFile]) -> Iterator[Sequence[TreeFile]]:
    """Yield ``files`` in parts that can be held in memory."""
    start = size = 0
    for number, file in enumerate(files):
        size += file.size
        if number - start == _AT_ONCE or size > _BYTES_AT_ONCE:
            yield files[start:number]
            start, size = number, file.size
    if start < len(files):
        yield files[start:]


def _is_for_people(path: str) -> bool:
    return (
        path.isprintable()
        and not is_cache(path)
        and byproduct_folder(path) is None
        and not is_secret_file(path)
    )


def _text(content: bytes, *, western: bool) -> str | None:
    if b"\0" in content:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not western or not _is_western(content):
            return None
        text = content.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_western(content: bytes) -> bool:
    """Return whether bytes beyond ASCII stand as accented letters do: seldom two together."""
    if _CONTROL.search(content):
        return False
    beyond = sum(map(len, _BEYOND.findall(content)))
    return len(_ALONE.findall(content)) >= _SHARE_ALONE * beyond
