"""What agents, plans and models write shows as text on the page, and no more of it than is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.contract_api import Api
from support.contract_page import Elements, browser, failed_site

from autopack.store.tables import approvals, attempts, decisions, phases, plans, runs
from deployments.api.page.difference.diff_html import MOST_BYTES, DiffFile, diff_files
from deployments.api.page.rendering import MOST_SHOWN, shown, web_address

SCRIPT = "<script>alert(1)</script>"
HOSTILE = {
    "a script": SCRIPT,
    "an attribute": '"\' onmouseover=alert(1) x="',
    "a comment": "<!-- --!> ]]> </textarea></title></style></script>" + SCRIPT,
    "a template": "{{ 7*7 }}{% raw %}${7*7}",
    "an entity": "&lt;script&gt;&#60;script&#62;",
    "ANSI": "\x1b[31mred\x1b]8;;http://evil.example\x07link\x1b]8;;\x07\x9b2J",
    "bidi": "user\u202e\u2066// admin\u2069 \u200b\u2060\ufeff",
    "null and halves": "a\x00b\ud800c",
    "line ends": "one\r\ntwo\rthree\u2028four\x85five",
    "ten megabytes": "x" * 10_000_000,
    "ten megabytes of tags": "<b>" * 3_400_000,
}
TAGS = {"script": 1}  # the page's own
UNSEEN = set("\x00\x1b\x9b\u202e\u2066\u2069\u200b\u2060\ufeff\ud800\u2028\x85")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with failed_site(tmp_path_factory.mktemp("hostile")) as made:
        yield made


def _write_everywhere(api: Api, text: str) -> None:
    """Put a text wherever somebody other than Autopack writes."""
    text = text.replace("\x00", "").replace("\ud800", "")  # what no database stores
    whole, text = text, text[:100_000]
    changes: list[tuple[sa.Table, dict[str, object]]] = [
        (runs, {"goal": whole, "failure_reason": text, "branch": text, "model": text}),
        (phases, {"failure_message": text}),
        (
            attempts,
            {
                "failure_message": text,
                "failure_output": whole,
                "hint": text,
                "summary": text,
                "builder": text,
            },
        ),
        (decisions, {"reason": text, "kind": text}),
    ]
    with api.service.db.read() as conn:
        bodies = conn.execute(sa.select(plans.c.plan_hash, plans.c.body)).all()

    def write(conn: sa.Connection) -> None:
        for table, values in changes:
            conn.execute(sa.update(table).values(values))
        conn.execute(sa.delete(approvals))
        for plan_hash, body in bodies:
            told = {
                **body,
                "phases": [{**one, "validate": [["sh", "-c", text]]} for one in body["phases"]],
            }
            mine = plans.c.plan_hash == plan_hash
            conn.execute(sa.update(plans).where(mine).values(body=told))

    api.service.db.transact(write)


@pytest.mark.parametrize("name", HOSTILE)
def test_it_shows_as_text(site: Api, name: str) -> None:
    _write_everywhere(site, HOSTILE[name])
    ada = browser(site)
    for path in ("/ui/", "/ui/runs", "/ui/runs/failed", "/ui/runs/failed/phases/two/attempts/1"):
        began = time.monotonic()
        answer = ada.client.get(path)
        assert answer.status_code == 200
        assert time.monotonic() - began < 60
        assert len(answer.content) < 1_500_000, f"{path} is {len(answer.content):,} bytes"
        page = Elements(answer.text)
        assert sum(tag == "script" for tag, _ in page.elements) == 1
        assert not [tag for tag, _ in page.elements if tag in ("b", "img", "style", "title")][1:]
        assert not [attrs for _, attrs in page.elements if set(attrs) & {"onmouseover", "x"}]
        assert not UNSEEN & set(answer.text)
        if len(HOSTILE[name]) < 200 and name not in ("ANSI", "bidi", "null and halves"):
            told = " ".join(HOSTILE[name].split())
            assert told in " ".join(page.text.split()), path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_difference_shows_as_text(name: str) -> None:
    # No more than so much of a difference is read.
    text = HOSTILE[name][: MOST_BYTES // 4]
    for path in ("a.py", f"{text[:100]}.js"):
        diff = (
            f"diff --git a/{path} b/{path}\nindex 1..2 100644\n--- a/{path}\n+++ b/{path}\n"
            f"@@ -1,2 +1,2 @@ {text}\n-{text}\n+{text}\n same\n\\ No newline at end of file\n"
        )
        for told in (diff, diff[: len(diff) // 2], diff.replace("\n", "\r\n"), text):
            for file in diff_files(told):
                _is_text(file)


def _is_text(file: DiffFile) -> None:
    assert len(file.rows) <= 3_000
    for row in file.rows:
        assert len(row.html) < 20_000
        assert {tag for tag, _ in Elements(row.html).elements} <= {"span"}
        attributes = [attrs for _, attrs in Elements(row.html).elements]
        assert all(set(attrs) == {"class"} for attrs in attributes)
        assert not UNSEEN & set(row.html)
    assert not UNSEEN & set(file.path)


def test_a_difference_of_many_lines_is_bounded() -> None:
    many = "".join(f"+{number}\n" for number in range(50_000))
    header = "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n"
    file = diff_files(f"{header}@@ -0,0 +1,50000 @@\n{many}")[0]
    assert (len(file.rows), file.added) == (3_000, 50_000)
    assert file.cut == "47,001 more lines are not shown"


def test_whatever_is_printed_is_bounded() -> None:
    told = shown("x" * 10_000_000)
    assert isinstance(told, str)
    assert len(told) < MOST_SHOWN + 100
    assert told.endswith("9,980,000 more characters")
    assert shown(None) == "unknown"
    assert shown(0) == 0


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,x", "http://[", "file:///etc", "//x", "", None]
)
def test_only_web_addresses_are_linked(text: str | None) -> None:
    assert web_address(text) is None
    assert web_address("https://example.org/x") == "https://example.org/x"


def test_ends_of_lines_and_files_that_are_no_text(tmp_path: Path) -> None:
    binary = "diff --git a/x b/x\nindex 1..2\nBinary files a/x and b/x differ\n"
    renamed = "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n"
    assert [(one.what, one.path) for one in diff_files(binary + renamed)] == [
        ("binary", "x"),
        ("renamed", "y"),
    ]
