"""Write the generated parts of docs/: `python docs/make.py`. tests/test_docs.py finds stale ones.

Generated are the two *.schema.json, the folders detectors/, causes/ and formats/, and what stands
between `<!-- generated: NAME -->` and `<!-- end -->` in usage.md, review.md and the README.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from wsdiag import advice
from wsdiag.advice import Review
from wsdiag.cli import main, manual
from wsdiag.config import Config
from wsdiag.limits import Limits
from wsdiag.pipeline import diagnose
from wsdiag.reporters import json_v1, terminal
from wsdiag.reporters.manual import Topic

DOCS = Path(__file__).parent
ROOT = DOCS.parent
README = ROOT / "README.md"
EXAMPLE = "fixtures/proxy-idle-cut/evidence"
FOLDERS = {
    "detectors": "Each detector looks for one fault and always gives a verdict.",
    "causes": "A cause explains what the detectors found and says what to change.",
    "formats": "Log formats are found by their content; nothing needs to be set.",
}
WIDTH = 100
MEASURES = {
    "opens": "opened",
    "closes": "ended",
    "codes": "close codes",
    "rejections": "refused",
    "ping_timeouts": "ping timeouts",
}
MEASURED = """\
Each page says what such a log tells, and what it does not. Applications' own sentences and fields
(plain text, key=value, logfmt, JSON of any nesting) need no format.

## Measured

One client drove real servers through the same scenarios and recorded on the raw socket what came.
The table holds each log to that record: one number where the log tells exactly what happened, else
right / happened / told. A number in brackets names the sentence below that says what the log lacks.
"""
_PART = re.compile(
    r"(?<=<!-- generated: )(?P<name>[\w-]+)(?P<head> -->\n).*?(?=<!-- end -->)", re.S
)


def pages() -> dict[Path, str]:
    """Every generated file with the text it must have."""
    topics = manual()
    schema = json.dumps(json_v1.schema(), indent=2, ensure_ascii=False)
    made = {
        DOCS / "report.schema.json": schema + "\n",
        DOCS / "review.schema.json": json.dumps(
            json_v1.schema(Review, advice.SCHEMA), indent=2, ensure_ascii=False
        )
        + "\n",
        DOCS / "review.md": thresholds(),
        DOCS / "usage.md": usage(topics),
        README: readme(),
    }
    for folder, introduction in FOLDERS.items():
        members = [topic for topic in topics if topic.group == folder]
        for topic in members:
            made[DOCS / folder / f"{topic.id}.md"] = topic.page()
        made[DOCS / folder / "README.md"] = index(folder, introduction, members)
    made[DOCS / "formats" / "README.md"] += measured()
    return made


def index(folder: str, introduction: str, members: Iterable[Topic]) -> str:
    """The first page of a folder."""
    rows = "".join(f"- [{topic.id}]({topic.id}.md): {topic.title}\n" for topic in members)
    return f"# {folder.capitalize()}\n\n{introduction}\n\n{rows}"


def measured() -> str:
    """How far the logs of real servers tell what their clients saw, from measured.toml."""
    table = tomllib.loads((DOCS / "formats" / "measured.toml").read_text("utf-8"))
    sentences = table.pop("sentences")
    numbers = {name: number for number, name in enumerate(sentences, 1)}
    head = "| system | log | " + " | ".join(MEASURES.values()) + " |\n"
    rows = "".join(_measured_row(log, row, numbers) for log, row in table.items())
    notes = "".join(f"{number}. {sentences[name]}\n" for name, number in numbers.items())
    return f"\n{MEASURED}\n{head}| --- | --- |{' ---: |' * len(MEASURES)}\n{rows}\n{notes}"


def _measured_row(log: str, row: dict[str, Any], numbers: dict[str, int]) -> str:
    cells = []
    for measure in MEASURES:
        right, were, said = row[measure]
        note = row.get("why", {}).get(measure)
        exact = right == were == said
        cells.append(
            (f"{were}" if exact else f"{right} / {were} / {said}")
            + (f" ({numbers[note]})" if note else "")
        )
    return f"| {row['system']} | `{log}` | {' | '.join(cells)} |\n"


def usage(topics: Iterable[Topic]) -> str:
    """usage.md with its generated parts renewed."""
    parts = {
        f"help-{name or 'main'}": f"```text\n{help_page(name)}```\n"
        for name in ("", *main.commands)
    }
    targets = "".join(f"| `{t.id}` | {t.title} |\n" for t in topics if t.group == "targets")
    parts["targets"] = f"| target | meaning |\n| --- | --- |\n{targets}"

    return renewed(DOCS / "usage.md", parts)


def thresholds() -> str:
    """review.md with the table of a review's thresholds renewed."""
    info = msgspec.inspect.type_info(Limits)
    assert isinstance(info, msgspec.inspect.StructType)
    rows = "".join(
        f"| `{field.name}` | {field.default:g} | {_said(field.type)} |\n" for field in info.fields
    )
    head = "| threshold | default | meaning | where it comes from |\n| --- | ---: | --- | --- |\n"
    return renewed(DOCS / "review.md", {"limits": head + rows})


def _said(meta: Any) -> str:
    """A threshold's meaning and its origin."""
    told = meta.extra_json_schema["description"]
    return f"{told} | {(meta.extra or {}).get('origin', 'a starting point')}"


def readme() -> str:
    """The README with the report of its example renewed."""
    report = diagnose([str(ROOT / EXAMPLE)], Config())
    shown = terminal.render(report, color=False)
    return renewed(README, {"report": f"```text\n{shown.strip()}\n```\n"})


def renewed(page: Path, parts: dict[str, str]) -> str:
    """A page with its generated parts replaced."""

    def renew(found: re.Match[str]) -> str:
        return f"{found['name']}{found['head']}{parts[found['name']]}"

    return _PART.sub(renew, page.read_text(encoding="utf-8"))


def help_page(name: str) -> str:
    """What `--help` prints."""
    command = main.commands[name] if name else main
    settings = {
        "terminal_width": WIDTH,
        "max_content_width": WIDTH,
        "help_option_names": ["-h", "--help"],
    }
    context = click.Context(command, info_name=f"wsdiag {name}".strip(), **settings)
    lines = command.get_help(context).splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def stale() -> list[Path]:
    """Generated files that nothing generates any more."""
    made = pages()
    return [page for folder in FOLDERS for page in (DOCS / folder).glob("*.md") if page not in made]


if __name__ == "__main__":
    for path in stale():
        path.unlink()
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
