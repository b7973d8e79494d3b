#!/usr/bin/env python3
"""A `glab` that keeps its merge requests in the file of the scripted `gh`, with GitLab's names.

Its options, and the JSON that it prints, are those of glab 1.x: an unknown option is an error.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["GH_STATE"])
TAKES = {
    ("mr", "list"): {"--source-branch", "--output", "--repo"},
    ("mr", "create"): {"--source-branch", "--title", "--description", "--repo"},
    ("mr", "update"): {"--title", "--description", "--repo"},
}
FLAGS = {
    ("mr", "list"): {"--all"},
    ("mr", "create"): {"--yes", "--draft"},
    ("mr", "update"): {"--ready", "--draft", "--yes"},
}
SAME_AS = {("mr", "create"): "create", ("mr", "update"): "edit", ("mr", "list"): "list"}


def main() -> int:
    words = sys.argv[1:]
    if words[:2] == ["auth", "status"]:
        if os.environ.get("GH_LOGGED_OUT"):
            sys.stderr.write("No token found (checked config file, keyring, and environment)\n")
            return 1
        return 0
    command = (words[0], words[1])
    given, flags, rest = parsed(command, words[2:])
    _note(command, flags)
    mrs = json.loads(STATE.read_text()) if STATE.exists() else []
    if command == ("mr", "list"):
        found = [mr for mr in mrs if mr["headRefName"] == given["--source-branch"]]
        print(json.dumps([shown(mr) for mr in reversed(found)]))
        return 0
    if command == ("mr", "create"):
        mrs.append(
            {
                "number": len(mrs) + 1,
                "url": f"https://gitlab.example/o/n/-/merge_requests/{len(mrs) + 1}",
                "title": given["--title"],
                "body": given["--description"],
                "isDraft": "--draft" in flags,
                "state": "OPEN",
                "headRefName": given["--source-branch"],
                "headRefOid": None,
            }
        )
        print(f"\nCreating merge request for {given['--source-branch']} into main\n")
        print(f"!{len(mrs)} {given['--title']}\n {mrs[-1]['url']}\n")
    else:
        mr = next(one for one in mrs if str(one["number"]) == rest[0])
        if "--title" in given:
            mr["isDraft"] = given["--title"].startswith("Draft: ")
            mr["title"] = given["--title"].removeprefix("Draft: ")
            mr["body"] = given["--description"]
        if "--ready" in flags:
            mr["isDraft"] = False
        print(f"- Updating merge request !{rest[0]}\n {mr['url']}")
    STATE.write_text(json.dumps(mrs))
    return 0


def shown(mr: dict[str, Any]) -> dict[str, Any]:
    title = f"Draft: {mr['title']}" if mr["isDraft"] else mr["title"]
    return {
        "iid": mr["number"],
        "web_url": mr["url"],
        "title": title,
        "description": mr["body"],
        "draft": mr["isDraft"],
        "state": {"OPEN": "opened"}.get(mr["state"], mr["state"].lower()),
        "sha": mr["headRefOid"],
    }


def parsed(
    command: tuple[str, str], words: list[str]
) -> tuple[dict[str, str], set[str], list[str]]:
    given: dict[str, str] = {}
    flags: set[str] = set()
    rest: list[str] = []
    while words:
        word = words.pop(0)
        if word in FLAGS[command]:
            flags.add(word)
        elif word in TAKES[command]:
            given[word] = words.pop(0)
        elif word.startswith("-"):
            sys.exit(f"Unknown flag: {word}")
        else:
            rest.append(word)
    return given, flags, rest


def _note(command: tuple[str, str], flags: set[str]) -> None:
    """List what is asked as the scripted `gh` does."""
    said = "ready" if "--ready" in flags else SAME_AS[command]
    with STATE.with_suffix(".log").open("a") as log:
        log.write(json.dumps(["pr", said]) + "\n")


sys.exit(main())
