"""`wsdiag config`, completion, and the flags that say how much is hidden."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import plant
import pytest
from click.testing import CliRunner, Result

from wsdiag.cli import main
from wsdiag.config import layers

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*args: str, **how: object) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="wsdiag", **how)


# -- config ---------------------------------------------------------------------------------------

FILE = """\
tz = "Europe/Berlin"
since = 2026-03-04T10:00:00Z

[targets]
connect_ms = 150

[[override]]
path = "*/admin"
targets = { connect_ms = 500.0, message_ms = 7.0 }

[[redact.patterns]]
name = "ticket"
match = 'T-\\d{6}"?'
"""


def test_each_value_says_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_text(FILE)
    told = run("config", "--fail-on", "never", env={"WSDIAG_TARGET_MESSAGE_MS": "9"})
    assert told.exit_code == 0
    origins = {
        line.partition("#")[0].strip(): line.rpartition("# ")[2]
        for line in told.stdout.splitlines()
    }
    assert origins['tz = "Europe/Berlin"'] == "wsdiag.toml"
    assert origins['fail_on = "never"'] == "--fail-on"
    assert origins["connect_ms = 150.0"] == "wsdiag.toml"
    assert origins["message_ms = 9.0"] == "WSDIAG_TARGET_MESSAGE_MS"
    assert origins["reconnect_s = 30.0"] == "default"
    assert origins["[[override]]"] == origins["[[redact.patterns]]"] == "wsdiag.toml"


def test_what_it_prints_is_the_file_of_these_settings(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_text(FILE)
    first = layers.load(tmp_path)
    told = run("config").stdout
    assert tomllib.loads(told)["override"][0]["path"] == "*/admin"
    (tmp_path / "wsdiag.toml").write_text(told)
    assert layers.load(tmp_path) == first


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_text("[targets]\nconect_ms = 1\n")
    told = run("config")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "wsdiag.toml: targets.conect_ms: " in told.stderr
    assert "did you mean connect_ms" in told.stderr
    assert run("config", "--select", "idle-cat").exit_code == 2


# -- completion -----------------------------------------------------------------------------------


def completed(words: str, shell: str = "bash") -> list[str]:
    """What a shell gets for a half-written command line."""
    place = str(len(words.split(" ")) - 1)
    asked = {"_WSDIAG_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": place}
    told = subprocess.run(
        [sys.executable, "-c", "from wsdiag.cli import main; main(prog_name='wsdiag')"],
        env=os.environ | asked | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.splitlines()


def test_commands_options_and_values_complete() -> None:
    assert completed("wsdiag conf") == ["plain,config"]
    assert "plain,--fail-on" in completed("wsdiag --fail")
    assert completed("wsdiag incident --fail-on ne") == ["plain,never"]
    assert completed("wsdiag list det") == ["plain,detectors"]


def test_a_path_completes_as_a_file() -> None:
    assert completed("wsdiag incid") == ["file,incid"]
    assert completed("wsdiag incident a") == ["file,a"]
    assert completed("wsdiag events a") == ["file,a"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    script = run("completion", shell).stdout
    assert f"_WSDIAG_COMPLETE={shell}_complete" in script
    if found := shutil.which(shell):
        assert subprocess.run([found, "-n", "-c", script], check=False).returncode == 0


def test_the_script_of_bash_completes() -> None:
    script = run("completion", "bash").stdout
    ask = "COMP_WORDS=(wsdiag expl) COMP_CWORD=1; _wsdiag_completion wsdiag; echo ${COMPREPLY[@]}"
    program = f"#!{sys.executable}\nfrom wsdiag.cli import main\nmain(prog_name='wsdiag')\n"
    Path("wsdiag").write_text(program)
    Path("wsdiag").chmod(0o755)
    told = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{Path.cwd()}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == "explain\n"


# -- how much is hidden ---------------------------------------------------------------------------

LINE = (
    "2026-03-04 10:00:00 ws closed: code 1006 client 203.0.113.9:4000 via 8.8.8.8 and 10.1.2.3 "
    f"user={plant.USER} email={plant.EMAIL} token={plant.OPAQUE} case T-123456\n"
)


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "server.log").write_text(LINE)
    return "server.log"


def shown(*args: str, **how: object) -> str:
    told = run("show", "server.log:1", *args, **how)
    assert told.exit_code == 0, told.output
    return told.stdout


def test_public_addresses_are_hidden_unless_asked_for(log: str, tmp_path: Path) -> None:
    assert "8.8.8.8" not in shown()
    assert "10.1.2.3" in shown()
    assert "8.8.8.8" in shown("--show-addresses")
    assert plant.leaks(shown("--show-addresses")) == []
    (tmp_path / "wsdiag.toml").write_text("[redact]\naddresses = 'all'\n")
    assert "10.1.2.3" not in shown()
    assert "10.1.2.3" in shown("--show-addresses")


def test_users_are_shown_by_option_but_never_addresses_of_mail(log: str, tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_text("[redact]\nusers = false\n")
    assert plant.USER in shown()
    assert plant.leaks(shown()) == ["user"]
    rows = run("events", log).stdout
    assert set(plant.leaks(rows)) <= {"user"}


def test_a_pattern_of_ones_own(log: str, tmp_path: Path) -> None:
    assert "T-123456" in shown()
    (tmp_path / "wsdiag.toml").write_text(
        "[[redact.patterns]]\nname = 'ticket'\nmatch = 'case (?P<mask>T-\\d{6})'\n"
    )
    once = shown()
    assert "T-123456" not in once
    assert "case [hidden-" in once
    told = run(log, "--format", "json").stdout
    assert "T-123456" not in told
    assert '"rule": "ticket"' in told


def test_no_redact_must_be_meant(log: str) -> None:
    refused = run("show", "server.log:1", "--no-redact")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert plant.leaks(refused.output) == []
    bare = shown("--no-redact", "--yes")
    assert {"user", "e-mail", "opaque token"} <= set(plant.leaks(bare))
    assert "8.8.8.8" in bare
    report = run(log, "--no-redact", "--yes", "--format", "json").stdout
    assert '"redacted": false' in report
    assert '"redacted": true' in run(log, "--format", "json").stdout


def test_no_redact_is_a_flag_of_one_run_only(log: str, tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_text("[redact]\nsecrets = false\n")
    assert run(log).exit_code == 2


def test_control_characters_stay_out_even_so(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text("2026-03-04 10:00:00 ws closed \x1b[31m\u202e code 1006\n")
    bare = shown("--no-redact", "--yes")
    assert not {"\x1b", "\u202e"} & set(bare)
