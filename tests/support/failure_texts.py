"""Labelled texts to group: failures as runners print them, and lines of services' logs.

The files hold templates; every placeholder is filled from a seeded generator, so that the texts
of a kind differ in all that differs from one occurrence to the next.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "mining"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NAMES = _words(
    "parse_config loadUser fetch_rows normalize total_price Widget session_id buildIndex retry"
    " Cart user_repo toSlug render Invoice apply_discount cache_key Parser nextToken store flush"
)
_CLASSES = _words("Order UserService HttpClient CartItem Session Repo Matrix Token Ledger Widget")
_MODULES = _words(
    "yaml requests app.models billing.tax numpy core.utils httpx django attrs services.mail"
    " my_project.settings left_pad"
)
_PACKAGES = _words("left-pad react @types/node lodash vite eslint-plugin-react webpack @acme/ui")
_WORDS = _words("alpha beta gamma delta orders invoice weekly report draft primary")
_FOLDERS = _words("src lib app packages/core internal/api services/billing web")
_USERS = _words("root admin webmaster oracle test0 fztu guest pgadmin matlab ftpuser")
_HOSTS = _words("node-12.cluster.local ns3.example.com mesos-slave-31 db01.internal LabSZ-17")
_STATES = _words("NEW INITED SETUP RUNNING SUCCEEDED ASSIGNED SCHEDULED LOOKING FOLLOWING LEADING")


def _number(rng: random.Random) -> str:
    return str(rng.choice((rng.randint(0, 9), rng.randint(10, 999), rng.randint(1000, 99999))))


def _path(rng: random.Random) -> str:
    depth = rng.randint(1, 4)
    return (
        "/"
        + "/".join(rng.choice(_FOLDERS + _WORDS) for _ in range(depth))
        + rng.choice(("", ".conf", f"/{rng.choice(_WORDS)}.log", f"/part-{rng.randint(0, 999):05}"))
    )


def _source(rng: random.Random, ending: str) -> str:
    name = rng.choice(("", "test_")) + rng.choice(_WORDS)
    return f"{rng.choice(_FOLDERS)}/{rng.choice((name, name + '_utils'))}.{ending}"


def _hex(rng: random.Random, length: int) -> str:
    return "".join(rng.choice("0123456789abcdef") for _ in range(length))


def _uuid(rng: random.Random) -> str:
    return "-".join(_hex(rng, length) for length in (8, 4, 4, 4, 12))


def _value(rng: random.Random) -> str:
    return rng.choice(
        (_number(rng), f"'{rng.choice(_WORDS)}'", f"[{_number(rng)}, {_number(rng)}]", "None")
    )


_FILL: dict[str, Callable[[random.Random], str]] = {
    "num": _number,
    "port": lambda r: str(r.randint(1024, 65000)),
    "bignum": lambda r: r.choice(("", "", "-")) + str(r.randint(10**12, 10**19)),
    "frac": lambda r: f"{r.uniform(0, 999):.{r.randint(1, 3)}f}",
    "ip": lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    "path": _path,
    "urlpath": lambda r: f"/v2/{_hex(r, 32)}/servers/{r.choice(('detail', _uuid(r)))}",
    "winpath": lambda r: f"C:\\Windows\\winsxs\\amd64_{_hex(r, 16)}_6.1.{r.randint(1, 9)}\\cbs.dll",
    "hex": lambda r: _hex(r, r.randint(2, 16)),
    "hexword": lambda r: "0x" + _hex(r, 8),
    "hexid": lambda r: f"{r.randint(1, 9)}{_hex(r, 6)}",
    "uuid": _uuid,
    "host": lambda r: r.choice(_HOSTS),
    "nodehost": lambda r: f"bglio{r.randint(1, 99)}",
    "nodecard": lambda r: f"R{r.randint(10, 77)}-M{r.randint(0, 1)}-N{r.randint(0, 9)}",
    "user": lambda r: r.choice(_USERS),
    "users": lambda r: r.choice(("yarn,curi", "curi", "yarn,root,hdfs")),
    "word": lambda r: r.choice(_WORDS),
    "program": lambda r: r.choice(("httpd", "sshd", "python3", "java")),
    "STATE": lambda r: r.choice(_STATES),
    "dir": lambda r: r.choice(("x+", "x-", "y+", "z-")),
    "onoff": lambda r: r.choice(("on", "off")),
    "onoffword": lambda r: r.choice(("enabled", "disabled")),
    "sleepword": lambda r: r.choice(("Sleep", "Wake")),
    "bool": lambda r: r.choice(("true", "false")),
    "Bool": lambda r: r.choice(("True", "False")),
    "lifetime": lambda r: r.choice(
        ("<1 sec", f"00:{r.randint(10, 59)}", f"01:02:{r.randint(10, 59)}")
    ),
    "exe": lambda r: r.choice(("chrome.exe", "git-remote-https.exe", "YodaoDict.exe")),
    "javaclass": lambda r: (
        f"org.apache.hadoop.{r.choice(('jobhistory', 'app'))}.{r.choice(_CLASSES)}$Type"
    ),
    "package": lambda r: f"com.{r.choice(_WORDS)}.{r.choice(_WORDS)}",
    "Activity": lambda r: f"{r.choice(_CLASSES)}Activity",
    "version": lambda r: f"{r.randint(0, 9)}.{r.randint(0, 20)}.{r.randint(0, 30)}",
    "asctime": lambda r: f"Sun Jul {r.randint(10, 28)} 03:{r.randint(10, 59)}:09 2005",
    "name": lambda r: r.choice(_NAMES),
    "Class": lambda r: r.choice(_CLASSES),
    "module": lambda r: r.choice(_MODULES),
    "npm": lambda r: r.choice(_PACKAGES),
    "value": _value,
    "py": lambda r: _source(r, "py"),
    "js": lambda r: _source(r, "js"),
    "ts": lambda r: _source(r, r.choice(("ts", "tsx"))),
    "go": lambda r: r.choice(("", "./")) + _source(r, "go"),
    "rs": lambda r: _source(r, "rs"),
    "java": lambda r: f"src/main/java/com/acme/{r.choice(_CLASSES)}.java",
    "line": lambda r: str(r.randint(1, 900)),
    "col": lambda r: str(r.randint(1, 90)),
    "secs": lambda r: f"{r.uniform(0, 90):.2f}",
    "ms": lambda r: str(r.randint(1, 9000)),
    "test": lambda r: (
        f"test_{r.choice(_NAMES)}" + r.choice(("", f"[{r.randint(1, 9)}-{r.choice(_WORDS)}]"))
    ),
    "Test": lambda r: f"Test{r.choice(_CLASSES)}",
    "sentence": lambda r: " ".join(r.choice(_WORDS) for _ in range(r.randint(2, 4))),
    "dep": lambda r: f"github.com/{r.choice(_WORDS)}/{r.choice(_WORDS)}",
    "crate": lambda r: r.choice(("serde", "tokio", "anyhow", "my_crate")),
    "url": lambda r: f"https://{r.choice(_WORDS)}.example.com/{r.choice(_WORDS)}.git",
    "tmp": lambda r: f"/tmp/{r.choice(('pytest-of-ci', 'tmp' + _hex(r, 8)))}/{r.choice(_WORDS)}",
    "sha": lambda r: _hex(r, r.choice((7, 40))),
}
_PLACE = re.compile(r"\{(\w+)\}|\{\{|\}\}")


@dataclass(frozen=True)
class Labelled:
    """A text with its kind, and the set of kinds that it is grouped within."""

    text: str
    kind: str
    within: str


def filled(template: str, rng: random.Random) -> str:
    """Return the template with every placeholder filled; the same name twice may differ."""

    def fill(found: re.Match[str]) -> str:
        return found[0][0] if found[1] is None else _FILL[found[1]](rng)

    return _PLACE.sub(fill, template)


@cache
def log_lines(of_each: int = 40, seed: int = 7) -> tuple[Labelled, ...]:
    """Lines of logs; how often a template occurs falls as it does in logs, by its place."""
    return tuple(_lines(of_each, random.Random(seed)))


def _lines(of_each: int, rng: random.Random) -> Iterator[Labelled]:
    system, place = "", 0
    for line in (DATA / "log_lines.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and line[1:-1].isalpha():
            system, place = line[1:-1], 0
        elif line and not line.startswith("# "):
            place += 1
            for _ in range(max(of_each * 3 // (place + 2), 1)):
                yield Labelled(filled(line, rng), f"{system}: {line}", system)


@cache
def failures(of_each: int = 10, seed: int = 11) -> tuple[Labelled, ...]:
    """Failure texts of every kind in ``failures.txt``, ``of_each`` of them each."""
    rng = random.Random(seed)
    text = (DATA / "failures.txt").read_text(encoding="utf-8")
    found: list[Labelled] = []
    for part in text.split("\n=== ")[1:]:
        kind, _, body = part.partition("\n")
        shapes = [shape.strip("\n") for shape in body.split("\n--- or\n")]
        found += [
            Labelled(filled(shapes[n % len(shapes)], rng), kind, "failures") for n in range(of_each)
        ]
    rng.shuffle(found)
    return tuple(found)


def grouping_accuracy(groups: list[str], kinds: list[str]) -> float:
    """Return the share of texts whose group holds exactly the texts of their kind (GA)."""
    by_group: dict[str, list[int]] = {}
    by_kind: dict[str, list[int]] = {}
    for place, (group, kind) in enumerate(zip(groups, kinds, strict=True)):
        by_group.setdefault(group, []).append(place)
        by_kind.setdefault(kind, []).append(place)
    exact = {tuple(places) for places in by_kind.values()}
    right = sum(len(places) for places in by_group.values() if tuple(places) in exact)
    return right / len(groups) if groups else 1.0
