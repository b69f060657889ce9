"""Write the generated parts of docs/: `python docs/make.py`. tests/test_docs.py finds stale ones.

Generated are report.schema.json, the folders detectors/, causes/ and formats/, and what stands
between `<!-- generated: NAME -->` and `<!-- end -->` in usage.md and the README.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import click

from wsdiag.cli import main, manual
from wsdiag.config import Config
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
_PART = re.compile(
    r"(?<=<!-- generated: )(?P<name>[\w-]+)(?P<head> -->\n).*?(?=<!-- end -->)", re.S
)


def pages() -> dict[Path, str]:
    """Every generated file with the text it must have."""
    topics = manual()
    schema = json.dumps(json_v1.schema(), indent=2, ensure_ascii=False)
    made = {
        DOCS / "report.schema.json": schema + "\n",
        DOCS / "usage.md": usage(topics),
        README: readme(),
    }
    for folder, introduction in FOLDERS.items():
        members = [topic for topic in topics if topic.group == folder]
        for topic in members:
            made[DOCS / folder / f"{topic.id}.md"] = topic.page()
        made[DOCS / folder / "README.md"] = index(folder, introduction, members)
    return made


def index(folder: str, introduction: str, members: Iterable[Topic]) -> str:
    """The first page of a folder."""
    rows = "".join(f"- [{topic.id}]({topic.id}.md): {topic.title}\n" for topic in members)
    return f"# {folder.capitalize()}\n\n{introduction}\n\n{rows}"


def usage(topics: Iterable[Topic]) -> str:
    """usage.md with its generated parts renewed."""
    parts = {
        f"help-{name or 'main'}": f"```text\n{help_page(name)}```\n"
        for name in ("", *main.commands)
    }
    targets = "".join(f"| `{t.id}` | {t.title} |\n" for t in topics if t.group == "targets")
    parts["targets"] = f"| target | meaning |\n| --- | --- |\n{targets}"

    return renewed(DOCS / "usage.md", parts)


def readme() -> str:
    """The README with the report of its example renewed."""
    report = diagnose([str(ROOT / EXAMPLE)], Config())
    shown = terminal.render(report, color=False, width=WIDTH)
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
