#!/usr/bin/env python3
"""A `gh` that keeps its pull requests in a file: real options in, the real program's JSON out.

GH_STATE names the file; what it is asked is listed beside it, a line a call.
"""

import json
import os
import sys
from pathlib import Path

STATE = Path(os.environ["GH_STATE"])


def main() -> int:
    words = sys.argv[1:]
    with STATE.with_suffix(".log").open("a") as log:
        log.write(json.dumps(words) + "\n")
    prs = json.loads(STATE.read_text()) if STATE.exists() else []
    if words[:2] == ["auth", "status"]:
        if os.environ.get("GH_LOGGED_OUT"):
            sys.stderr.write(
                "You are not logged into any GitHub hosts. To log in, run: gh auth login\n"
            )
            return 1
        return 0
    command, rest = words[:2], words[2:]
    given = options(rest)
    if command == ["pr", "list"]:
        found = [pr for pr in prs if pr["headRefName"] == given["--head"]]
        if given.get("--state", "open") != "all":
            found = [pr for pr in found if pr["state"] == given.get("--state", "open").upper()]
        fields = given["--json"].split(",")
        newest = sorted(found, key=lambda pr: -pr["number"])
        print(json.dumps([{name: pr[name] for name in fields} for pr in newest]))
        return 0
    if command == ["pr", "create"]:
        if any(pr["headRefName"] == given["--head"] and pr["state"] == "OPEN" for pr in prs):
            sys.stderr.write("a pull request for branch already exists\n")
            return 1
        number = len(prs) + 1
        prs.append(
            {
                "number": number,
                "url": f"https://github.example/o/n/pull/{number}",
                "title": given["--title"],
                "body": sys.stdin.read(),
                "isDraft": "--draft" in rest,
                "state": "OPEN",
                "headRefName": given["--head"],
                "headRefOid": None,
            }
        )
        print(prs[-1]["url"])
    elif command == ["pr", "edit"]:
        pr = next(pr for pr in prs if str(pr["number"]) == rest[0])
        pr |= {"title": given["--title"], "body": sys.stdin.read()}
        print(pr["url"])
    elif command == ["pr", "ready"]:
        next(pr for pr in prs if str(pr["number"]) == rest[0])["isDraft"] = False
    else:
        sys.stderr.write(f"unknown command {command}\n")
        return 1
    STATE.write_text(json.dumps(prs))
    return 0


def options(words: list[str]) -> dict[str, str]:
    return {
        word: words[number + 1]
        for number, word in enumerate(words[:-1])
        if word.startswith("--") and word != "--draft"
    }


sys.exit(main())
