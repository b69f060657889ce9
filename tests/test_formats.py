"""Every format's own samples, and the loader's refusals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wsdiag.cli import main
from wsdiag.config import Config, ConfigError
from wsdiag.pipeline import read_events
from wsdiag.sources.format_check import checked, failures
from wsdiag.sources.formats.document import FormatError, parse
from wsdiag.sources.formats.line_format import Format, all_formats, formats_with

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
    assert parse(made.text, f"{made.id}.toml") == made.document
    assert list(failures(made)) == []


@pytest.mark.parametrize("made", all_formats(), ids=lambda made: made.id)
def test_has_samples_for_and_against(made: Format) -> None:
    expected = [bool(sample.events) for sample in made.document.sample]
    assert True in expected
    assert all(sample.line or sample.lines for sample in made.document.sample)


@pytest.mark.parametrize(
    "made", [made for made in all_formats() if made.document.common], ids=lambda made: made.id
)
def test_the_common_form_reads_as_the_whole_pattern_does(made: Format) -> None:
    lines = [line for sample in made.document.sample for line in sample.lines or [sample.line]]
    read = [(re.search(made.document.common, line), line) for line in lines]
    assert any(found for found, _ in read)
    for found, line in read:
        whole = made.pattern.search(line)
        assert not found or (whole and whole.groupdict() == found.groupdict())


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
        ("\n\n[[rule]]", "\ncommon = '^(?P<time>.*)'\n[[rule]]", "common: it has the words"),
        ('where = { what = "up" }', 'where = { that = "up" }', "neither a word|nothing captures"),
        ('needs = ["socket"]', "needs = []", "needs:"),
        ('vantage = "server"', 'vantage = "cloud"', "vantage"),
        ('id = "mine"', 'id = "yours"', "id: 'yours' is not the file's name"),
        ('stack = "mine"', 'stack = "mine"\nspeed = 9', "speed"),
        ("[[rule]]", "[[rule", "line"),
        ("\n\n[[rule]]", "\naccess = true\n[[rule]]", "access: it needs a rule where websocket"),
        (
            "\n\n[[rule]]",
            '\nreads = "message"\nfallback = true\n[[rule]]',
            "fallback: only of lines",
        ),
        (
            '{ kind = "close" }',
            '{ kind = "close", only_if = "so" }',
            "only_if: 'so' is not one of its path opens",
        ),
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


# -- formats of one's own -------------------------------------------------------------------------

LOG = """\
2026-11-22T23:45:36Z socket a1 up
2026-11-22T23:45:37Z socket a1 idle
2026-11-22T23:45:38Z socket a1 down 4401
2026-11-22T23:45:39Z tea is ready
"""


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["formats", *args], prog_name="wsdiag")


def test_check_says_that_the_samples_hold(tmp_path: Path) -> None:
    result = run("check", str(_file(tmp_path, GOOD)))
    assert result.exit_code == 0
    assert "2 samples hold" in result.output


def test_check_names_every_wrong_sample_by_line_and_field(tmp_path: Path) -> None:
    text = GOOD.replace("code = 1006, ts", "code = 1001, ts").replace("a1 idle", "a1 up")
    result = run("check", str(_file(tmp_path, text)))
    assert result.exit_code == 2
    assert "mine.toml: line 15: event 1: code: 1001 expected, got 1006" in result.output
    assert "mine.toml: line 19: events: 0 expected, the line gives open" in result.output


def test_try_shows_events_and_what_it_nearly_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(LOG)
    result = run("try", str(_file(tmp_path, GOOD)), str(log))
    assert result.exit_code == 0
    assert "4 lines, 2 read as mine, 2 events" in result.output
    assert "app.log:3  2026-11-22 23:45:38+00:00  close conn=a1 code=4401" in result.output
    assert "1 lines hold a word of `needs`" in result.output
    assert "app.log:2  2026-11-22T23:45:37Z socket a1 idle" in result.output


def test_try_fails_where_nothing_is_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("tea is ready\n")
    assert run("try", str(_file(tmp_path, GOOD)), str(log)).exit_code == 3


@pytest.mark.parametrize(
    "log",
    [
        """\
2026-11-22 23:45:36,101 INFO chat.gateway socket opened id=c7 user=bob
2026-11-22 23:45:40,500 INFO chat.gateway websocket closed id=c7 code=4401 reason="token expired"
""",
        """\
{"level":30,"time":1795391136101,"conn":"c7","msg":"ws connection opened"}
{"level":30,"time":1795391140500,"conn":"c7","code":1001,"msg":"ws connection closed"}
""",
    ],
    ids=["text", "json"],
)
def test_a_draft_holds_and_reads_its_log(tmp_path: Path, log: str) -> None:
    source, made = tmp_path / "app.log", tmp_path / "chat.toml"
    source.write_text(log)
    assert run("new", "--from", str(source), "-o", str(made)).exit_code == 0
    document = checked(made).document
    assert [bool(sample.events) for sample in document.sample] == [True, True]
    assert "bob" not in made.read_text()
    assert "2 lines, 2 read as chat, 2 events" in run("try", str(made), str(source)).output


def test_no_draft_from_a_log_without_connections(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("tea is ready\n")
    result = run("new", "--from", str(log))
    assert result.exit_code == 3
    assert "no line tells of a connection" in result.output


def test_a_format_of_ones_own_is_asked_first(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(LOG)
    folder = tmp_path / "own"
    folder.mkdir()
    _file(folder, GOOD)
    read = read_events([str(log)], Config(formats=[str(folder)]))
    assert read.select("pos", "conn", "kind", "code").rows() == [
        (1, "a1", "open", None),
        (3, "a1", "close", 4401),
    ]


def test_the_settings_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wsdiag" / "formats"
    folder.mkdir(parents=True)
    _file(folder, GOOD)
    (tmp_path / "app.log").write_text(LOG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    told = CliRunner().invoke(main, ["events", str(tmp_path / "app.log")], prog_name="wsdiag")
    assert '"code":4401' in told.output


def test_a_wrong_format_of_ones_own_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD.replace('kind = "open"', 'kind = "opened"'))
    with pytest.raises(ConfigError, match=r"mine\.toml: rule 1: rows: kind"):
        formats_with((str(tmp_path),))
    with pytest.raises(ConfigError, match="no such folder"):
        formats_with((str(tmp_path / "gone"),))
