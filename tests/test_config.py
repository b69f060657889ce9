"""Settings: from a file, over it the flags; what is wrong is named."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wsdiag.config import Config, ConfigError, layers
from wsdiag.limits import Limits
from wsdiag.targets import Targets, expression


def load(folder: Path, text: str, name: str = "wsdiag.toml") -> Config:
    (folder / name).write_text(text, encoding="utf-8")
    return layers.load(folder)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert layers.load(tmp_path) == Config()
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
        layers.load(tmp_path)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_bytes(b"\xef\xbb\xbffail_on = 'never'")
    assert layers.load(tmp_path).fail_on == "never"


def test_pyproject_errors_name_their_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: .*colour"):
        load(tmp_path, "[tool.wsdiag]\ncolour = 1\n", "pyproject.toml")
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: "):
        load(tmp_path, "[tool]\nwsdiag = 3\n", "pyproject.toml")


def test_flags_lie_over_the_environment_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_text(
        'tz = "Europe/Berlin"\nignore = ["max-age"]\nfail_on = "error"\n'
        "[targets]\nconnect_ms = 150\nmessage_ms = 80\n"
    )
    environment = {"WSDIAG_FAIL_ON": "never", "WSDIAG_TARGET_MESSAGE_MS": "60", "HOME": "/"}
    flags = {"tz": None, "ignore": ["idle-cut"]}
    made, origins = layers.effective(tmp_path, environment, flags, ["reconnect_s=5"])
    assert (made.tz, made.fail_on, made.ignore) == ("Europe/Berlin", "never", ["idle-cut"])
    assert made.targets == Targets(connect_ms=150, message_ms=60, reconnect_s=5)
    assert origins == {
        **dict.fromkeys(origins, "default"),
        "tz": "wsdiag.toml",
        "fail_on": "WSDIAG_FAIL_ON",
        "ignore": "--ignore",
        "targets.connect_ms": "wsdiag.toml",
        "targets.message_ms": "WSDIAG_TARGET_MESSAGE_MS",
        "targets.reconnect_s": "--target reconnect_s",
    }


def test_every_setting_but_lists_of_tables_has_a_variable(tmp_path: Path) -> None:
    texts = {
        "WSDIAG_TZ": "Asia/Tokyo",
        "WSDIAG_SINCE": "-15m",
        "WSDIAG_UNTIL": "-1s",
        "WSDIAG_SELECT": "idle-cut, max-age",
        "WSDIAG_IGNORE": "token-expiry",
        "WSDIAG_FAIL_ON": "error",
        "WSDIAG_FORMATS": "a b",
        "WSDIAG_TARGET_CONNECT_MS": "1",
        "WSDIAG_TARGET_MESSAGE_MS": "2",
        "WSDIAG_TARGET_RECONNECT_S": "3",
        "WSDIAG_TARGET_PERCENTILE": "99",
        "WSDIAG_REDACT_ADDRESSES": "all",
        "WSDIAG_REDACT_USERS": "false",
        "WSDIAG_KEYLOG": "keys.log",
        "WSDIAG_REFERENCE": "wire.pcap",
    }
    limits = Limits.__struct_fields__
    texts |= {f"WSDIAG_REVIEW_{name.upper()}": "0.5" for name in limits}
    assert set(texts) == set(layers.variables().values())
    made = layers.effective(tmp_path, texts).config
    assert (made.tz, made.since, made.until, made.fail_on) == ("Asia/Tokyo", -900, -1, "error")
    assert (made.select, made.ignore) == (["idle-cut", "max-age"], ["token-expiry"])
    assert made.formats == ["a", "b"]
    assert made.targets == Targets(connect_ms=1, message_ms=2, reconnect_s=3, percentile=99)
    assert (made.redact.addresses, made.redact.users) == ("all", False)
    assert {getattr(made.review, name) for name in limits} == {0.5}


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("WSDIAG_FAILON", "error", "WSDIAG_FAILON: .*did you mean WSDIAG_FAIL_ON"),
        ("WSDIAG_FAIL_ON", "panic", "WSDIAG_FAIL_ON: .*panic"),
        ("WSDIAG_TARGET_CONNECT_MS", "fast", "WSDIAG_TARGET_CONNECT_MS: write a number"),
        ("WSDIAG_TARGET_CONNECT_MS", "-1", "WSDIAG_TARGET_CONNECT_MS: "),
        ("WSDIAG_REDACT_USERS", "perhaps", "true or false"),
        ("WSDIAG_REDACT_SECRETS", "false", "no setting has this variable"),
    ],
)
def test_a_bad_variable_is_refused_by_name(
    tmp_path: Path, variable: str, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        layers.effective(tmp_path, {variable: text})


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("failon = 'never'", "failon: .*did you mean fail_on"),
        ("[targets]\nconect_ms = 1", r"targets\.conect_ms: .*did you mean connect_ms"),
        ("[[override]]\npth = 'x'\ntargets = {}", r"override\.pth: .*did you mean path"),
        (
            "[[override]]\npath = 'x'\ntargets = {mesage_ms = 1}",
            r"override\.targets\.mesage_ms: .*did you mean message_ms",
        ),
        ("[redact]\nuser = true", r"redact\.user: .*did you mean users"),
        ("[redact]\nsecrets = false", r"redact\.secrets: unknown"),
        ("[[redact.patterns]]\nnme = 'x'", r"redact\.patterns\.nme: .*did you mean name"),
    ],
)
def test_an_unknown_name_is_told_what_was_meant(tmp_path: Path, text: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=meant):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[override]]\npath = 'x'\ntargets = {connect_ms = 0}", "override: .*connect_ms"),
        ("[[redact.patterns]]\nname = 'x'\nmatch = '('", "pattern x"),
        ("[[redact.patterns]]\nname = 'x'\nmatch = 'a*'", "matches where there is nothing"),
        ("[[redact.patterns]]\nname = 'Not One'\nmatch = 'a'", "name"),
        ("[redact]\naddresses = 'some'", "addresses"),
    ],
)
def test_a_bad_value_in_a_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, text)


def test_the_first_path_that_fits_has_its_own_targets(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        "[targets]\nmessage_ms = 40\n"
        "[[override]]\npath = '*/admin'\ntargets = {connect_ms = 500}\n"
        "[[override]]\npath = '/v?/*'\ntargets = {percentile = 50}\n",
    )
    goals = made.goals()
    assert goals.connect_ms == 100
    assert goals.paths == (
        ("*/admin", Targets(connect_ms=500, message_ms=40)),
        ("/v?/*", Targets(message_ms=40, percentile=50)),
    )
    fits = {path: bool(re.search(expression("/v?/*.x"), path)) for path in ("/v1/a.x", "/v12/a.x",
            "/v1/axx", "a/v1/.x", "/v1/.x")}  # fmt: skip
    assert [path for path, found in fits.items() if found] == ["/v1/a.x", "/v1/.x"]


def settled(folder: Path, **flags: object) -> Config:
    return layers.effective(folder, flags=flags).config


def test_a_time_without_a_zone_is_taken_in_tz(tmp_path: Path) -> None:
    naive = datetime(2026, 7, 1, 12)
    made = settled(tmp_path, tz="Europe/Berlin", since=naive, until="2026-07-01T13:00:00")
    assert made.since == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert made.until == datetime(2026, 7, 1, 11, tzinfo=UTC)
    assert settled(tmp_path, since=naive).since == datetime(2026, 7, 1, 12, tzinfo=UTC)
    aware = "2026-07-01T12:00:00+05:00"
    assert settled(tmp_path, since=aware).since == datetime(2026, 7, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "settings", [{"colour": 1}, {"tz": "Nowhere"}, {"fail_on": "x"}, {"since": "x"}, {"select": 3}]
)
def test_a_bad_flag_is_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"--{next(iter(settings)).replace('_', '-')}"):
        settled(tmp_path, **settings)


def test_targets_from_flags(tmp_path: Path) -> None:
    (tmp_path / "wsdiag.toml").write_text("[targets]\nmessage_ms = 20")
    made = layers.effective(tmp_path, targets=["connect_ms=150", " reconnect_s = 5.5 "])
    assert made.config.targets == Targets(connect_ms=150, reconnect_s=5.5, message_ms=20)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("connect_ms", "NAME=NUMBER"),
        ("connect_ms=", "NAME=NUMBER"),
        ("connect_ms=fast", "NAME=NUMBER"),
        ("connect=1", "unknown target; there are connect_ms"),
        ("conect_ms=1", "did you mean connect_ms"),
        ("=1", "unknown target"),
        ("connect_ms=0", "connect_ms"),
        ("connect_ms=-1", "connect_ms"),
        ("connect_ms=nan", "finite"),
        ("connect_ms=inf", "finite"),
        ("percentile=101", "percentile"),
    ],
)
def test_a_bad_target_is_refused(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        layers.effective(tmp_path, targets=[setting])
    assert str(refused.value).startswith("--target ")
