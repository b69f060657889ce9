"""Settings: from a file, over it the flags; what is wrong is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wsdiag import config
from wsdiag.config import Config, ConfigError
from wsdiag.targets import Targets


def load(folder: Path, text: str, name: str = "wsdiag.toml") -> Config:
    (folder / name).write_text(text, encoding="utf-8")
    return config.load(folder)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert config.load(tmp_path) == Config()
    assert load(tmp_path, "[project]\nname='x'\n", "pyproject.toml") == Config()
    assert load(tmp_path, "tool = 3\n", "pyproject.toml") == Config()


def test_every_setting_can_be_made(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        'tz = "Europe/Berlin"\nfail_on = "error"\nselect = ["idle-cut"]\nignore = ["max-age"]\n'
        "since = 2026-11-23T10:00:00Z\nuntil = 2026-11-23T12:00:00\n[targets]\nconnect_ms = 150\n",
    )
    assert made.targets == Targets(connect_ms=150)
    assert (made.select, made.ignore, made.fail_on) == (["idle-cut"], ["max-age"], "error")
    assert made.since == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert made.until is not None
    assert made.until.utcoffset() == timedelta(hours=1)


def test_pyproject_serves_where_there_is_no_own_file(tmp_path: Path) -> None:
    assert load(tmp_path, '[tool.wsdiag]\nfail_on = "never"\n', "pyproject.toml").fail_on == "never"
    assert load(tmp_path, "").fail_on == "warning"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = true", "colour"),
        ("[targets]\nconnect_s = 1", "connect_s"),
        ('[targets]\nconnect_ms = "fast"', "connect_ms"),
        ("[targets]\nconnect_ms = 0", "connect_ms"),
        ("[targets]\nconnect_ms = inf", "finite"),
        ("[targets]\nconnect_ms = nan", "connect_ms|finite"),
        ("tz = 1", "tz"),
        ('tz = "Mars/Olympus"', "Mars/Olympus"),
        ('tz = ""', "tz"),
        ('tz = "Europe"', "Europe"),
        ('tz = "../../etc/passwd"', "tz"),
        ('fail_on = "panic"', "fail_on"),
        ('select = "idle-cut"', "select"),
        ('since = "yesterday"', "since"),
        ("since = 2026-11-23T12:00:00Z\nuntil = 2026-11-23T10:00:00Z", "since"),
        ("since = -60.0\nuntil = -900.0", "since"),
        ("tz = ", "Invalid value"),
        ("no toml", "Expected"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as refused:
        load(tmp_path, text)
    assert str(refused.value).startswith("wsdiag.toml: ")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_bytes(b"tz = '\xff'")
    with pytest.raises(ConfigError, match=r"wsdiag\.toml"):
        config.load(tmp_path)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_bytes(b"\xef\xbb\xbffail_on = 'never'")
    assert config.load(tmp_path).fail_on == "never"


def test_pyproject_errors_name_their_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: .*colour"):
        load(tmp_path, "[tool.wsdiag]\ncolour = 1\n", "pyproject.toml")
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: "):
        load(tmp_path, "[tool]\nwsdiag = 3\n", "pyproject.toml")


def test_flags_lie_over_the_file() -> None:
    base = Config(tz="Europe/Berlin", ignore=["max-age"], targets=Targets(connect_ms=150))
    assert config.override(base, tz=None, fail_on=None) == base
    made = config.override(base, fail_on="never", ignore=["idle-cut"])
    assert (made.fail_on, made.ignore, made.targets.connect_ms) == ("never", ["idle-cut"], 150)


def test_a_time_without_a_zone_is_taken_in_tz() -> None:
    naive = datetime(2026, 7, 1, 12)
    made = config.override(Config(), tz="Europe/Berlin", since=naive, until="2026-07-01T13:00:00")
    assert made.since == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert made.until == datetime(2026, 7, 1, 11, tzinfo=UTC)
    assert config.override(Config(), since=naive).since == datetime(2026, 7, 1, 12, tzinfo=UTC)
    aware = "2026-07-01T12:00:00+05:00"
    assert config.override(made, since=aware).since == datetime(2026, 7, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "settings", [{"colour": 1}, {"tz": "Nowhere"}, {"fail_on": "x"}, {"since": "x"}, {"select": 3}]
)
def test_a_bad_flag_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        config.override(Config(), **settings)


def test_targets_from_flags() -> None:
    base = Config(targets=Targets(message_ms=20))
    made = config.targets_from(base, ["connect_ms=150", " reconnect_s = 5.5 "])
    assert (made.connect_ms, made.reconnect_s, made.message_ms) == (150, 5.5, 20)
    assert config.targets_from(base, []) == base.targets


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("connect_ms", "NAME=NUMBER"),
        ("connect_ms=", "NAME=NUMBER"),
        ("connect_ms=fast", "NAME=NUMBER"),
        ("connect=1", "unknown target; there are connect_ms"),
        ("=1", "unknown target"),
        ("connect_ms=0", "connect_ms"),
        ("connect_ms=-1", "connect_ms"),
        ("connect_ms=nan", "finite"),
        ("connect_ms=inf", "finite"),
        ("percentile=101", "percentile"),
    ],
)
def test_a_bad_target_is_refused(setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config.targets_from(Config(), [setting])
