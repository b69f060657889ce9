"""The command line: words in, words out, exit codes, and no traceback."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl
import pytest
from click.testing import CliRunner, Result

from wsdiag import account, cli, reporters, showing
from wsdiag.cli import PLACES, main
from wsdiag.config import Config
from wsdiag.event import events

ROOT = Path(__file__).parents[1]
sys.path.append(str(Path(__file__).parent / "reporters"))
sample = importlib.import_module("sample")
pipeline = importlib.import_module("wsdiag.pipeline")  # the package shows the function


@pytest.fixture
def calls(monkeypatch, tmp_path) -> list[tuple[object, ...]]:
    """The pipeline answers with the sample incident and notes what it was asked."""
    seen: list[tuple[object, ...]] = []

    def diagnose(paths, config):
        seen.append((tuple(paths), config))
        told = sample.incident()
        failing = account.failing(told.findings, config.fail_on)
        return msgspec.structs.replace(told, failing=failing)

    def show(pointer, paths, context, config):
        seen.append((pointer, tuple(paths), context))
        places = [("a.log:1", "before"), ("a.log:2", "the \x1b[31mline"), ("a.log:3", "after")]
        return showing.Shown(places, ["TCP", "  Flags: \x1b[31m0x004 (RST)"])

    monkeypatch.setattr(pipeline, "diagnose", diagnose)
    monkeypatch.setattr(showing, "show", show)
    monkeypatch.setattr(pipeline, "read_events", lambda paths, config: _frame())
    monkeypatch.chdir(tmp_path)
    return seen


def _frame() -> pl.DataFrame:
    row = {"source": "a.log", "pos": 1, "kind": "close", "code": 1000, "reason": "b\x9b\u202eye"}
    return events([row | {"ts": sample.at(0.5), "vantage": "server"}])


def run(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="wsdiag")


def python(*args: str, **kwargs) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), **kwargs.pop("env", {})}
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, env=environment, **kwargs
    )


# -- reading words -------------------------------------------------------------------------------


def test_an_unknown_first_word_is_a_path(calls) -> None:
    result = run("incident", "more.log")
    assert result.exit_code == 1
    assert calls == [(("incident", "more.log"), Config())]
    assert result.stdout == reporters.terminal.render(sample.incident())


def test_quiet_and_verbose_change_how_much_is_told(calls) -> None:
    report = sample.incident()
    assert run("x", "-q").stdout == reporters.terminal.render(report, detail=0)
    assert run("x", "-v").stdout == reporters.terminal.render(report, detail=2)


@pytest.mark.parametrize("place", reporters.places.PLACES)
def test_fit_names_the_file_that_holds_the_whole(calls, place: str) -> None:
    result = run("x", "--fit", place, "-o", "whole.md")
    assert result.stdout == reporters.fit(sample.incident(), place, "whole.md")
    assert Path("whole.md").read_text("utf-8") == reporters.markdown.render(sample.incident())
    assert "--fit" in run("x", "--fit", place, "--format", "json").stderr


def test_the_places_are_those_that_exist() -> None:
    assert list(reporters.places.PLACES) == PLACES


def test_a_secret_in_the_title_is_hidden(calls) -> None:
    result = run("x", "--issue", "Chat\nfails with Bearer abcdefgh12345678", "--fit", "slack")
    assert result.stdout.startswith("*WebSocket Debug: Chat fails with Bearer")
    assert "abcdefgh12345678" not in result.stdout


def test_a_path_named_like_a_command(calls) -> None:
    run("./events")
    assert calls[0][0] == ("./events",)


def test_options_may_stand_before_the_paths(calls) -> None:
    result = run("--format", "markdown", "incident")
    assert result.stdout == reporters.markdown.render(sample.incident())


def test_without_arguments_it_prints_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Usage: wsdiag [OPTIONS] PATH…" in result.output


def test_settings_reach_the_pipeline(calls) -> None:
    run(
        *("x", "--tz", "Europe/Berlin", "--since", "2026-03-04T10:00:00Z"),
        *("--until", "2026-03-04T13:00:00+02:00", "--target", "connect_ms=150"),
        *("--select", "idle-cut", "--ignore", "token-expiry", "--fail-on", "never"),
    )
    config = calls[0][1]
    assert config.tz == "Europe/Berlin"
    assert config.since == sample.at(0)
    assert config.until == sample.at(3600)
    assert config.targets.connect_ms == 150
    assert (config.select, config.ignore) == (["idle-cut"], ["token-expiry"])
    assert config.fail_on == "never"


@pytest.mark.parametrize(("told", "seconds"), [("-90s", -90), ("-15m", -900), ("-1.5h", -5400)])
def test_a_time_before_the_last_event(calls, told: str, seconds: float) -> None:
    run("x", "--since", told)
    assert calls[0][1].since == seconds


def test_flags_go_over_the_configuration_file(calls, tmp_path) -> None:
    text = 'tz = "Asia/Tokyo"\nfail_on = "never"\n[targets]\nmessage_ms = 80\n'
    (tmp_path / "wsdiag.toml").write_text(text)
    assert run("x", "--tz", "UTC", "--target", "connect_ms=1").exit_code == 0
    config = calls[0][1]
    assert (config.tz, config.targets.message_ms, config.targets.connect_ms) == ("UTC", 80, 1)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["x", "--format", "pdf"], "'pdf' is not one of"),
        (["--format", "json"], "Missing argument"),
        (["x", "--tz", "Mars/Olympus"], "no IANA zone"),
        (["x", "--tz", "../../etc/passwd"], "no IANA zone"),
        (["x", "--since", "yesterday"], "no RFC 3339 time"),
        (["x", "--since", "2026-03-04T10:00:00"], "has no zone"),
        (["x", "--since", "-15"], "not like -15m"),
        (["x", "--target", "speed=9"], "unknown target"),
        (["x", "--target", "connect_ms=fast"], "NAME=NUMBER"),
        (["x", "--target", "connect_ms=-1"], "--target"),
        (["x", "--select", "idle-cat"], "did you mean idle-cut?"),
        (["x", "-o", "report.pdf"], "suffix must be one of .md, .html, .json, .txt"),
        (["x", "-o", "nowhere/report.md"], "no such folder"),
        (["x.md", "-o", "./x.md"], "this is an input"),
        (["explain", "idle-cat"], "did you mean idle-cut?"),
        (["list", "frogs"], "'frogs' is not one of"),
        (["show", "a:1", "-C", "-1"], "-C"),
        (["x", "--\x1b[31mred"], "No such option"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(calls, args: list[str], said: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert result.stdout == ""
    assert not calls


def test_a_bad_configuration_file_is_exit_code_2(calls, tmp_path) -> None:
    (tmp_path / "wsdiag.toml").write_text("speed = 9\n")
    result = run("x")
    assert result.exit_code == 2
    assert "wsdiag.toml" in result.stderr


# -- exit codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ([], 1),
        (["--fail-on", "warning"], 1),
        (["--fail-on", "error"], 1),
        (["--fail-on", "never"], 0),
        (["--strict"], 4),
        (["--strict", "--fail-on", "never"], 4),
    ],
)
def test_exit_codes_of_a_bad_report(calls, args: list[str], code: int) -> None:
    assert run("x", *args).exit_code == code


def test_exit_codes_by_severity() -> None:
    report = sample.incident()
    clean = msgspec.structs.replace(report, findings=[], failing=[])
    assert cli.verdict(report, strict=False) == 1
    assert cli.verdict(msgspec.structs.replace(report, failing=[]), strict=False) == 0
    assert cli.verdict(clean, strict=False) == 0
    unread = msgspec.structs.replace(clean, inputs=report.inputs[:1])
    assert cli.verdict(unread, strict=True) == 4
    assert cli.verdict(msgspec.structs.replace(clean, inputs=[]), strict=True) == 0


def test_which_findings_fail_a_run() -> None:
    error, warning = sample.incident().findings
    assert account.failing([error, warning], "warning") == [error.id, warning.id]
    assert account.failing([error, warning], "error") == [error.id]
    assert account.failing([error, warning], "never") == []


def _failing(problem: BaseException):
    def diagnose(paths, config):
        raise problem

    return diagnose


def test_no_evidence_is_exit_code_3(calls, monkeypatch) -> None:
    from wsdiag.gather import NoEvidence

    monkeypatch.setattr(pipeline, "diagnose", _failing(NoEvidence("a\x1b[31mb: empty")))
    result = run("x")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "wsdiag: ab: empty\n"


def test_an_internal_error_is_one_redacted_line(calls, monkeypatch) -> None:
    text = "bad\n\x1b[31m Authorization: Bearer abcdef0123456789abcdef"
    monkeypatch.setattr(pipeline, "diagnose", _failing(ValueError(text)))
    result = run("x")
    assert (result.exit_code, result.stdout) == (70, "")
    assert result.stderr.startswith("wsdiag: internal error")
    assert "ValueError: bad" in result.stderr
    assert "abcdef0123456789" not in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_an_interrupt_is_exit_code_130(calls, monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "diagnose", _failing(KeyboardInterrupt()))
    result = run("x")
    assert (result.exit_code, result.stderr) == (130, "wsdiag: interrupted\n")


@pytest.fixture
def foreground() -> Iterator[None]:
    """Ctrl-C as a shell gives it to what it runs in the foreground, wherever these tests run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("foreground")
def test_after_the_first_interrupt_what_was_read_is_reported(calls, monkeypatch) -> None:
    def interrupted(*_: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return sample.incident()

    monkeypatch.setattr(pipeline, "diagnose", interrupted)
    before = signal.getsignal(signal.SIGINT)
    result = run("x", "-q")
    assert result.exit_code == 130
    assert result.stderr.startswith("wsdiag: interrupted: reporting what was read so far")
    assert result.stdout.startswith("The proxy closes idle tunnels")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("foreground")
def test_the_second_interrupt_ends_the_run(calls, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(pipeline, "diagnose", interrupted)
    result = run("x")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.endswith("wsdiag: interrupted\n")


def test_an_interrupt_that_is_ignored_stays_so(calls, monkeypatch, foreground) -> None:
    def interrupted(*_: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return sample.incident()

    monkeypatch.setattr(pipeline, "diagnose", interrupted)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    result = run("x", "-q")
    assert (result.exit_code, result.stderr) == (1, "")
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


# -- what is written -----------------------------------------------------------------------------


def test_several_outputs_at_once(calls, tmp_path) -> None:
    result = run("x", "-o", "r.md", "-o", "r.JSON", "-o", "r.txt", "--color", "always")
    assert result.exit_code == 1
    report = sample.incident()
    assert (tmp_path / "r.md").read_text(encoding="utf-8") == reporters.markdown.render(report)
    assert json.loads((tmp_path / "r.JSON").read_text())["schema"] == "wsdiag.report/1"
    assert (tmp_path / "r.txt").read_text(encoding="utf-8") == reporters.terminal.render(report)
    assert "\x1b[" in result.stdout


def test_an_output_that_cannot_be_written(calls, tmp_path) -> None:
    (tmp_path / "r.md").mkdir()
    result = run("x", "-o", "r.md")
    assert result.exit_code == 2
    assert "r.md: Is a directory" in result.stderr


def test_stderr_names_what_was_not_read(calls) -> None:
    assert run("x").stderr == "wsdiag: not read: notes.bin: no source knows this format\n"
    assert run("x", "-q").stderr == ""
    assert "wire.pcapng: pcapng, 20114 events, 0 unread" in run("x", "-v").stderr


def test_formats_and_suffixes_are_the_reporters() -> None:
    assert set(cli.FORMATS) == set(reporters.REPORTERS)
    assert set(cli.SUFFIXES) == set(reporters.SUFFIXES)


def test_events_as_json_lines(calls) -> None:
    row = json.loads(run("events", "x").stdout)
    assert row["ts"] == "2026-03-04T10:00:00.500000Z"
    assert (row["kind"], row["code"], row["reason"]) == ("close", 1000, "bye")


def test_events_as_csv(calls) -> None:
    head, row = run("events", "x", "--format", "csv").stdout.splitlines()
    assert head.startswith("ts,vantage,source,pos,")
    assert row.startswith("2026-03-04T10:00:00.500000Z,server,a.log,1,")


def test_events_as_parquet_by_suffix(calls, tmp_path) -> None:
    assert run("events", "x", "-o", "e.parquet").exit_code == 0
    assert pl.read_parquet(tmp_path / "e.parquet").equals(_frame())


def test_show(calls) -> None:
    result = run("show", "a.log:2")
    assert calls == [("a.log:2", (), 2)]
    assert result.stdout == (
        "  a.log:1  before\n> a.log:2  the line\n  a.log:3  after\nTCP\n  Flags: 0x004 (RST)\n"
    )


def test_explain_a_detector_a_cause_a_target_and_a_kind() -> None:
    assert run("explain", "idle-cut").stdout.startswith("# idle-cut\n")
    assert "## Fix" in run("explain", "proxy-idle-timeout").stdout
    assert "connect_ms = 100" in run("explain", "connect_ms").stdout
    assert "transport ends" in run("explain", "end").stdout


@pytest.mark.parametrize("group", cli.GROUPS)
def test_list(group: str) -> None:
    result = run("list", group)
    assert result.exit_code == 0
    assert result.stdout.strip()


# -- as a program --------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(word: str) -> None:
    heavy = "{'polars', 'rich', 'jinja2', 'numpy', 'msgspec', 'dpkt', 'pyshark'}"
    code = (
        "import sys\nfrom wsdiag.cli import main\n"
        f"try: main([{word!r}])\n"
        f"finally: print(sorted({heavy} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert done.returncode == 0
    assert done.stdout.endswith("[]\n")


def test_as_a_module() -> None:
    done = python("-m", "wsdiag", "nowhere.log")
    assert (done.returncode, done.stdout) == (3, "")
    assert "nowhere.log" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_went_away_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "wsdiag", "list", "kinds"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_that_is_not_utf8() -> None:
    done = python("-m", "wsdiag", "list", "causes", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
