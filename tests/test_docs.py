"""The docs say what the program does: nothing generated is stale, nothing is undocumented."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from wsdiag.cli import main, manual
from wsdiag.reporters.manual import HEADINGS

DOCS = Path(__file__).parents[1] / "docs"
SPEC = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
assert SPEC
assert SPEC.loader
make = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make)

USAGE = (DOCS / "usage.md").read_text(encoding="utf-8")


def test_generated_pages_are_fresh() -> None:
    old = [
        path.relative_to(DOCS).as_posix()
        for path, text in make.pages().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert not old, "run python docs/make.py"
    assert not make.stale(), "run python docs/make.py"


@pytest.mark.parametrize("name", main.commands)
def test_every_command_and_option_is_in_usage(name: str) -> None:
    assert f"generated: help-{name if name != 'diagnose' else 'main'} " in USAGE
    command = main.commands[name]
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts[-1]} has no help"
            assert option.opts[-1] in USAGE


@pytest.mark.parametrize("name", main.commands)
def test_every_command_has_help(name: str) -> None:
    command = main.commands[name]
    assert command.help
    assert not command.get_short_help_str(60).endswith("...")


def test_every_detector_tells_all_four_things() -> None:
    detectors = [topic for topic in manual() if topic.group == "detectors"]
    assert detectors
    silent = [
        (topic.id, heading)
        for topic in detectors
        for heading in HEADINGS
        if f"**{heading}:** " not in topic.body
    ]
    assert not silent


def test_every_cause_says_how_it_is_mended() -> None:
    causes = [topic for topic in manual() if topic.group == "causes"]
    assert causes
    for topic in causes:
        assert "## Fix" in topic.body
        assert "## Prevention" in topic.body
        assert "{%" not in topic.body
        assert "{{" not in topic.body


def test_ids_are_kebab_case_within_their_group() -> None:
    for topic in manual():
        if topic.group in {"detectors", "causes", "formats"}:
            assert topic.id == topic.id.lower().replace("_", "-")


def test_links_between_pages_lead_somewhere() -> None:
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


TRIED = re.compile(r"^(?:\.venv/bin/)?(wsdiag .*fixtures/.*)$", re.MULTILINE)
"""Command lines of the docs that a reader can type in a clone."""


@pytest.mark.parametrize(
    "line", sorted({line for page in DOCS.glob("*.md") for line in TRIED.findall(page.read_text())})
)
def test_commands_in_the_docs_run(line: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "fixtures").symlink_to(DOCS.parent / "fixtures")
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(main, shlex.split(line)[1:], prog_name="wsdiag")
    assert told.exit_code in (0, 1), told.output
    for name in re.findall(r"-o (\S+)", line):
        assert (tmp_path / name).stat().st_size


def test_the_api_page_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "fixtures").symlink_to(DOCS.parent / "fixtures")
    monkeypatch.chdir(tmp_path)
    shown = re.findall(r"```python\n(.*?)```", (DOCS / "api.md").read_text("utf-8"), re.DOTALL)
    exec(compile("\n".join(shown), "api.md", "exec"), {})
    assert "proxy-idle-timeout 0.95" in capsys.readouterr().out
