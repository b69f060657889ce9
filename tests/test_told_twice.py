"""An application's sentence about an ending, beside its server's line that names the connection."""

from __future__ import annotations

from pathlib import Path

from wsdiag.pipeline import diagnose, read_events


def written(tmp_path: Path, *lines: str) -> list[str]:
    (tmp_path / "app.log").write_text("\n".join(lines))
    return [str(tmp_path)]


def test_the_sentence_behind_the_line_gives_its_code(tmp_path: Path) -> None:
    paths = written(
        tmp_path,
        '127.0.0.1:40001 - - [22/Nov/2026:23:44:33] "WSCONNECTING /ws" - -',
        '127.0.0.1:40001 - - [22/Nov/2026:23:44:33] "WSCONNECT /ws" - -',
        '127.0.0.1:40002 - - [22/Nov/2026:23:44:34] "WSCONNECTING /ws" - -',
        '127.0.0.1:40002 - - [22/Nov/2026:23:44:34] "WSCONNECT /ws" - -',
        '127.0.0.1:40001 - - [22/Nov/2026:23:45:33] "WSDISCONNECT /ws" - -',
        "2026-11-22 23:45:33,130 WARNING  disconnect code=1001",
        '127.0.0.1:40002 - - [22/Nov/2026:23:46:34] "WSDISCONNECT /ws" - -',
        "2026-11-22 23:46:34,030 WARNING  disconnect code=4401",
    )
    rows = read_events(paths).filter(kind="close").drop_nulls("code")
    assert rows.select("conn", "code").rows() == [
        ("127.0.0.1:40001", 1001),
        ("127.0.0.1:40002", 4401),
    ]
    assert diagnose(paths).facts.close_codes == {"1001": 1, "4401": 1}


def test_two_that_end_at_once_are_not_guessed(tmp_path: Path) -> None:
    paths = written(
        tmp_path,
        '127.0.0.1:40001 - - [22/Nov/2026:23:44:33] "WSCONNECT /ws" - -',
        '127.0.0.1:40002 - - [22/Nov/2026:23:44:34] "WSCONNECT /ws" - -',
        '127.0.0.1:40001 - - [22/Nov/2026:23:45:33] "WSDISCONNECT /ws" - -',
        '127.0.0.1:40002 - - [22/Nov/2026:23:45:33] "WSDISCONNECT /ws" - -',
        "2026-11-22 23:45:33,130 WARNING  disconnect code=1001",
        "2026-11-22 23:45:33,131 WARNING  disconnect code=4401",
    )
    named = read_events(paths).filter(kind="close").drop_nulls("code")["conn"]
    assert not set(named) & {"127.0.0.1:40001", "127.0.0.1:40002"}


def test_a_code_that_its_server_misreports_is_kept_but_not_believed(tmp_path: Path) -> None:
    report = diagnose(
        written(
            tmp_path,
            'INFO:     127.0.0.1:40001 - "WebSocket /ws" [accepted]',
            "2026-11-22 23:45:33,130 INFO app ws disconnect client=127.0.0.1:40001 code=1005",
        )
    )
    assert report.facts.close_codes == {}
    assert any("1005" in remark and "not believed" in remark for remark in report.inputs[0].remarks)
    assert read_events([str(tmp_path)]).filter(kind="close")["code"].to_list() == [1005]
