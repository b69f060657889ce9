"""Every format's own samples, and the loader's refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdiag.sources.format_check import checked, failures
from wsdiag.sources.format_document import FormatError
from wsdiag.sources.line_format import Format, all_formats

GOOD = """\
id = "mine"
title = "a log of mine"
vantage = "server"
stack = "mine"
needs = ["socket"]
pattern = '''^(?P<time>\\S+) socket (?P<conn>\\w+) (?P<what>up|down)(?: (?P<code>\\d+))?$'''

[[rule]]
where = { what = "up" }
rows = [{ kind = "open" }]

[[rule]]
rows = [{ kind = "close" }]

[[sample]]
line = '''2026-11-22T23:45:36Z socket a1 down 1006'''
events = [{ kind = "close", conn = "a1", code = 1006, ts = "2026-11-22T23:45:36Z" }]

[[sample]]
line = '''2026-11-22T23:45:36Z socket a1 idle'''
events = []
"""


@pytest.mark.parametrize("made", all_formats(), ids=lambda made: made.id)
def test_samples(made: Format) -> None:
    assert list(failures(made)) == []


@pytest.mark.parametrize("made", all_formats(), ids=lambda made: made.id)
def test_has_samples_for_and_against(made: Format) -> None:
    expected = [bool(sample.events) for sample in made.document.sample]
    assert True in expected
    assert all(sample.line or sample.lines for sample in made.document.sample)


def test_ids_are_unique() -> None:
    ids = [made.id for made in all_formats()]
    assert len(ids) == len(set(ids))


def test_a_good_file_is_taken(tmp_path: Path) -> None:
    assert checked(_file(tmp_path, GOOD)).id == "mine"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("code = 1006, ts", "code = 1001, ts", "line 15: event 1: code: 1001 expected, got 1006"),
        ('36Z" }', '37Z" }', "line 15: event 1: ts: 2026-11-22T23:45:37Z expected"),
        ("idle'''\nevents = []", "up'''\nevents = []", "line 19: events: 0 expected"),
        ('kind = "open"', 'kind = "opened"', "rule 1: rows: kind: 'opened' is not a kind"),
        ('{ kind = "close" }', '{ kind = "close", colour = "red" }', "rule 2: rows: colour"),
        ('{ kind = "close" }', '{ kind = "close", dir = "up" }', "dir: 'up' is not one of"),
        ('{ kind = "close" }', '{ kind = "close", at = "noon" }', "at: 'noon'"),
        ("(?P<what>up|down)", "(?P<what>up|down)(?=x)", "pattern: no lookaround"),
        ("(?P<what>up|down)", "(?P<what>up|down", "pattern: missing )"),
        ("(?P<conn>", "(?P<connection>", "connection: neither a word"),
        ('where = { what = "up" }', 'where = { that = "up" }', "neither a word|nothing captures"),
        ('needs = ["socket"]', "needs = []", "needs:"),
        ('vantage = "server"', 'vantage = "cloud"', "vantage"),
        ('id = "mine"', 'id = "yours"', "id: 'yours' is not the file's name"),
        ('stack = "mine"', 'stack = "mine"\nspeed = 9', "speed"),
        ("[[rule]]", "[[rule", "line"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(FormatError, match=r"^mine\.toml: ") as refusal:
        checked(_file(tmp_path, GOOD.replace(old, new, 1)))
    assert any(part in str(refusal.value) for part in told.split("|"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"gone\.toml"):
        checked(tmp_path / "gone.toml")


def _file(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path
