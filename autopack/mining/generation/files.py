"""The files of one detector: its declaration, fixtures, test and backlog entry.

Texts from elsewhere stand only in files of text and in YAML that a library writes; the test holds
nothing but the pattern's id, so that no text can make it invalid.
"""

from __future__ import annotations

from datetime import datetime

import jinja2
import yaml

from autopack.mining.generation.derive import Fixtures
from autopack.mining.generation.proposal import proposed
from autopack.mining.stored.recurring import Recurring
from autopack.repair.patterns.declarative import DeclarativePattern
from autopack.repair.signatures.signature import SIGNATURE_VERSION
from autopack.views.escaping import code, markdown

ROOT = ".autopack"

_TEST = jinja2.Template(
    '''"""The generated pattern {{ id }} matches its fixtures, and nothing else that is known."""

from pathlib import Path

import yaml

from autopack.repair.patterns import Evidence
from autopack.repair.patterns.declarative import load

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "regression" / "{{ id }}"


def pattern():
    return load(ROOT / "patterns" / "{{ id }}.yaml")


def texts(kind):
    files = sorted((FIXTURES / kind).glob("*.txt"))
    info = yaml.safe_load((FIXTURES / "info.yaml").read_text(encoding="utf-8"))
    assert len(files) == info[kind] > 0, f"{len(files)} {kind}, info.yaml says {info[kind]}"
    return {each.name: each.read_bytes().decode("utf-8") for each in files}


def matched(kind):
    detect = pattern().detect
    return {name for name, text in texts(kind).items() if detect(Evidence(text)) is not None}


def test_it_is_the_pattern_of_this_name():
    assert pattern().pattern_id == "{{ id }}"


def test_it_matches_every_text_of_its_failure():
    assert matched("positives") == set(texts("positives"))


def test_it_matches_no_other_text():
    assert matched("negatives") == set()
''',
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,
)


def files_of(
    pattern: DeclarativePattern, found: Recurring, fixtures: Fixtures, at: datetime
) -> dict[str, str]:
    """Return the content of each file by its path below ``.autopack``."""
    name = pattern.pattern_id
    regression = f"regression/{name}"
    texts = {
        f"{regression}/{kind}/{number:03}.txt": text
        for kind, listed in (("positives", fixtures.positives), ("negatives", fixtures.negatives))
        for number, text in enumerate(listed, 1)
    }
    return {
        f"patterns/{name}.yaml": _yaml(declaration(pattern)),
        f"{regression}/info.yaml": _yaml(
            {
                "id": name,
                "description": pattern.summary,
                "date": f"{at:%Y-%m-%d}",
                "signature": found.signature,
                "signature_version": SIGNATURE_VERSION,
                "positives": len(fixtures.positives),
                "negatives": len(fixtures.negatives),
            }
        ),
        **texts,
        f"tests/test_{name.replace('-', '_').replace('.', '_')}.py": _TEST.render(id=name),
        f"backlog/{name}.md": backlog(pattern, found),
    }


def declaration(pattern: DeclarativePattern) -> dict[str, object]:
    """Return what a pattern file declares."""
    return {
        "id": pattern.pattern_id,
        "version": pattern.version,
        "summary": pattern.summary,
        "signature_version": SIGNATURE_VERSION,
        "literal": pattern.literal,
        "regex": pattern.line.text,
        "mitigation": {"name": pattern.mitigation, **pattern.arguments},
    }


def backlog(pattern: DeclarativePattern, found: Recurring) -> str:
    """Return the backlog entry: what, how often, at what cost, and how it would be judged."""
    mitigation, why = proposed(found)
    tokens = "unknown" if found.tokens is None else f"{found.tokens:,}"
    cost = "unknown" if found.cost is None else f"${found.cost:,.4f}"
    samples = "\n".join(f"- {code(sample[:500])}" for sample in found.samples)
    return (
        f"# {markdown(pattern.summary)}\n\n"
        f"- Pattern: {code(pattern.pattern_id)}, signature {code(found.signature)}\n"
        f"- Type: {markdown(found.type)}; priority {found.priority}, confidence"
        f" {found.confidence}\n"
        f"- Seen in {found.count:,} attempts, {found.phases:,} phases and {found.runs:,} runs, from"
        f" {found.first_seen:%Y-%m-%d} to {found.last_seen:%Y-%m-%d}\n"
        f"- Tokens: {tokens}; cost: {cost}\n"
        f"- Proposed mitigation: {code(mitigation)}, because {markdown(why)}\n\n"
        "## How it would be judged\n\n"
        "Nothing acts on it before it has earned that: it begins in shadow, where hits are"
        " recorded and nothing is done. A hit is right when the mitigation made the failing"
        " check pass at the attempt's own tree, for `stop_retrying` when later attempts failed"
        " after nothing but retries, or when a person said so. Age and the absence of"
        " complaints are no evidence.\n\n"
        f"## Samples\n\n{samples}\n"
    )


def _yaml(body: dict[str, object]) -> str:
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
