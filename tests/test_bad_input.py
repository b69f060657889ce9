"""Bad input: an exit code that is documented, one clear message, and all that is readable used."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import plant
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsdiag import evidence, sources
from wsdiag.cli import main
from wsdiag.config import Config, ConfigError
from wsdiag.detectors import DETECTORS
from wsdiag.event import EVENTS
from wsdiag.gather import NoEvidence

pipeline = importlib.import_module("wsdiag.pipeline")  # the package shows the function

ROOT = Path(__file__).parents[1]
DOCUMENTED = (0, 1, 2, 3, 4)

GOOD = b"""2026-03-04 10:00:00 ws connected 192.0.2.7:50436
2026-03-04 10:00:01 ws closed 192.0.2.7:50436 code=1006
2026-03-04 10:00:02 ws connected 192.0.2.7:50437
2026-03-04 10:00:09 ws closed 192.0.2.7:50437 code=1000
"""
GOOD_EVENTS = 4
BINARY = bytes(range(256)) * 64


class Outcome(NamedTuple):
    """What one run said."""

    code: int
    report: dict[str, Any]
    stderr: str

    def item(self, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.report["inputs"] if one["path"].endswith(name)]
        return found


def diagnose(*args: object) -> Outcome:
    told = CliRunner().invoke(
        main, ["diagnose", "--format", "json", *map(str, args)], prog_name="wsdiag"
    )
    assert told.exit_code in DOCUMENTED, (told.output, told.exception)
    assert "Traceback" not in told.output
    assert "internal error" not in told.stderr
    if told.exit_code in (2, 3):
        assert told.stderr.startswith("wsdiag: ")
        assert told.stdout == ""
        return Outcome(told.exit_code, {}, told.stderr)
    report = json.loads(told.stdout)
    assert [verdict["detector"] for verdict in report["verdicts"]] == list(DETECTORS)
    assert all(verdict["why"] for verdict in report["verdicts"])
    assert report["causes"]
    return Outcome(told.exit_code, report, told.stderr)


def beside_good(folder: Path, name: str, data: bytes) -> Outcome:
    """A run on the bad file beside a good one, which must be read as ever."""
    plant.write(folder, {name: data, "good.log": GOOD})
    result = diagnose(folder)
    assert result.code in (0, 1)
    assert result.item("good.log")["events"] == GOOD_EVENTS
    return result


# -- files that are not there, or not to be read ---------------------------------------------------


def test_a_missing_path(tmp_path: Path) -> None:
    assert diagnose(tmp_path / "none.log") == (
        3,
        {},
        f"wsdiag: no usable evidence\n  {tmp_path}/none.log: no such file or folder\n",
    )
    plant.write(tmp_path, {"good.log": GOOD})
    result = diagnose(tmp_path / "good.log", tmp_path / "none.log")
    assert result.code in (0, 1)
    assert "none.log: no such file or folder" in result.stderr
    assert result.item("none.log")["format"] == "unreadable"
    assert diagnose(tmp_path / "good.log", tmp_path / "none.log", "--strict").code == 4


OWN_WORDS = b"".join(b"28/11/2026 05:46:%02d desk a%d checked in\n" % (n, n) for n in range(9))


def test_a_log_in_words_of_its_own(tmp_path: Path) -> None:
    """It is said that nothing of it was understood, and how to teach its lines."""
    plant.write(tmp_path, {"desk.log": OWN_WORDS})
    alone = diagnose(tmp_path)
    assert alone.code == 3
    assert "desk.log: nothing about WebSocket connections" in alone.stderr
    assert "wsdiag formats new --from LOG" in alone.stderr
    plant.write(tmp_path, {"server.log": b'INFO:     10.0.0.1:5 - "WebSocket /ws" [accepted]\n'})
    (cause,) = diagnose(tmp_path).report["causes"]
    assert cause["id"] == "thin-evidence"
    assert "Nothing was understood of `desk.log` (9 lines)." in cause["root_cause"]


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.write(tmp_path, {"good.log": GOOD, "locked.log": GOOD})
    honest = Path.open

    def opened(self: Path, *args: Any, **kwargs: Any) -> Any:  # a superuser may read it in truth
        if self.name == "locked.log":
            raise PermissionError(13, "Permission denied", str(self))
        return honest(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
    result = diagnose(tmp_path)
    assert result.item("locked.log")["format"] == "unreadable"
    assert result.item("good.log")["events"] == GOOD_EVENTS
    assert "not read: locked.log: Permission denied" in result.stderr
    assert diagnose(tmp_path, "--strict").code == 4
    alone = diagnose(tmp_path / "locked.log")
    assert (alone.code, "locked.log: Permission denied" in alone.stderr) == (3, True)


def test_an_empty_folder_and_an_empty_file(tmp_path: Path) -> None:
    empty = tmp_path / "folder"
    empty.mkdir()
    result = diagnose(empty)
    assert (result.code, "the folder holds no files" in result.stderr) == (3, True)
    result = diagnose(plant.write(tmp_path / "file", {"a.log": b""}))
    assert (result.code, "a.log: empty" in result.stderr) == (3, True)
    result = beside_good(tmp_path / "both", "a.log", b"")
    assert result.item("a.log")["remarks"] == ["empty"]
    assert diagnose(tmp_path / "both", "--strict").code in (0, 1)  # an empty log is read


def test_a_folder_of_binary_junk(tmp_path: Path) -> None:
    junk = plant.write(tmp_path, {f"{name}.log": BINARY + bytes([name]) for name in range(30)})
    result = diagnose(junk)
    assert result.code == 3
    assert result.stderr.count("not a log, capture, HAR or NetLog") == 20  # and no more of it
    assert beside_good(tmp_path, "x.log", BINARY).stderr.count("not read: ") == 31


def test_symbolic_links_in_a_loop(tmp_path: Path) -> None:
    plant.write(tmp_path, {"good.log": GOOD})
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "self.log").symlink_to(tmp_path / "self.log")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    result = diagnose(tmp_path)
    assert result.item("good.log")["events"] == GOOD_EVENTS
    assert result.stderr.count("the link leads nowhere") == 3
    assert diagnose(tmp_path / "self.log").code == 3


def test_a_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path / Path(*["d"] * 200)
    plant.write(deep, {"good.log": GOOD})
    assert diagnose(tmp_path).item("good.log")["events"] == GOOD_EVENTS


@pytest.mark.parametrize(
    "name",
    ["a[1].log", "a b.log", "a\nb.log", "a*.log", "-o.log", "#1.log", "a:1.log", "ä–ö.log", "log"],
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    plant.write(tmp_path, {name: GOOD})
    for path in (tmp_path, tmp_path / name):
        (item,) = diagnose(path).report["inputs"]
        assert item["events"] == GOOD_EVENTS
        assert item["path"] == name.replace("\n", " ")
    pointer = f"{item['source']}:2"
    told = CliRunner().invoke(main, ["show", "--", pointer, str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert "code=1006" in told.output


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/b\xff\xfe.log", "wb") as file:  # noqa: PTH123
        file.write(GOOD)
    (item,) = diagnose(tmp_path).report["inputs"]
    assert item["events"] == GOOD_EVENTS


def test_the_same_log_twice(tmp_path: Path) -> None:
    """Given twice it is read once; a copy is a file of its own."""
    plant.write(tmp_path, {"good.log": GOOD})
    result = diagnose(tmp_path, tmp_path / "good.log", tmp_path / "*.log")
    assert [item["path"] for item in result.report["inputs"]] == ["good.log"]
    plant.write(tmp_path / "copy", {"good.log": GOOD})
    names = [item["path"] for item in diagnose(tmp_path).report["inputs"]]
    assert sorted(names) == ["copy/good.log", "good.log"]


def test_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.log"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(GOOD))
    writer.start()
    result = diagnose(pipe)
    writer.join()
    assert result.item("pipe.log")["events"] == GOOD_EVENTS
    assert diagnose(tmp_path).code == 3  # in a folder nobody may ever write to it


def test_standard_input() -> None:
    told = CliRunner().invoke(main, ["-", "--format", "json"], input=GOOD)
    assert [i["events"] for i in json.loads(told.stdout)["inputs"]] == [GOOD_EVENTS]
    assert CliRunner().invoke(main, ["-"], input=b"").exit_code == 3
    assert CliRunner().invoke(main, ["-"], input=BINARY).exit_code == 3


def test_a_process_of_its_own(tmp_path: Path) -> None:
    """As a user runs it: no traceback of an interpreter that ends, either."""
    plant.write(
        tmp_path, {"junk.log": BINARY, "good.log": GOOD, "cut.gz": gzip.compress(GOOD)[:40]}
    )
    for paths in ([tmp_path], [tmp_path / "junk.log"], ["-"]):
        done = subprocess.run(
            [sys.executable, "-m", "wsdiag", *paths],
            input=GOOD,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )
        assert done.returncode in DOCUMENTED, done.stderr
        assert b"Traceback" not in done.stderr


# -- text that is not as it should be -------------------------------------------------------------

CRLF = GOOD.replace(b"\n", b"\r\n")
TORN = b'{"time":"2026-03-04T10:00:01Z","msg":"ws clo\n' + b"".join(
    json.dumps(
        {
            "time": f"2026-03-04T10:00:0{i}Z",
            "msg": "ws closed",
            "code": 1006,
            "client": f"10.0.0.{i}:5",
        }
    ).encode()
    + b"\n"
    for i in range(5)
)


@pytest.mark.parametrize(
    ("data", "events", "unread", "remark"),
    [
        pytest.param(CRLF, 4, 0, "", id="CRLF"),
        pytest.param(GOOD.replace(b"\n", b"\r"), None, None, "", id="CR only"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, 4, 0, "", id="BOM"),
        pytest.param(GOOD + b"2026-03-04 10:00:10 \xff\xfe\n", 4, 0, "not UTF-8", id="not UTF-8"),
        pytest.param(GOOD.replace(b"closed", b"cl\xf6sed", 1), 3, 0, "not UTF-8", id="Latin-1"),
        pytest.param(
            GOOD + b"x" * 70_000 + b"\n" + b"ws \0 closed\n",
            4,
            1,
            "NUL bytes",
            id="NUL bytes later",
        ),
        pytest.param(GOOD + b"\0" * 9 + b"\n", 4, 1, "NUL bytes", id="NUL bytes at once"),
        pytest.param(b"\0" * 5_000 + b"\n" + GOOD, 0, None, "not a log", id="mostly NUL bytes"),
        pytest.param(b"\n" * 5_000 + GOOD, 4, 0, "", id="blank lines"),
        pytest.param(GOOD[:-20], 4, 0, "", id="cut in the last line"),
        pytest.param(b"x" * 5_000_000 + b"\n" + GOOD, 4, 1, "were cut", id="a line of 5 MB"),
        pytest.param(b"7" * 10_000_000 + b"\n" + GOOD, 4, 1, "were cut", id="ten million digits"),
        pytest.param(b"7" * 1_000_000 + b"\n" + GOOD, 4, 0, "", id="a million digits"),
        pytest.param(GOOD + b"x" * 5_000_000, 4, 1, "were cut", id="5 MB at the end"),
        pytest.param(TORN, 5, 1, "", id="torn JSON"),
        pytest.param(b'{"a":' * 50_000 + b"\n" + GOOD, 4, None, "", id="deep JSON"),
    ],
)
def test_odd_text(
    tmp_path: Path, data: bytes, events: int | None, unread: int | None, remark: str
) -> None:
    item = beside_good(tmp_path, "odd.log", data).item("odd.log")
    assert events is None or item["events"] == events, item
    assert unread is None or item["unread_lines"] == unread, item
    assert remark in "; ".join(item["remarks"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16(tmp_path: Path, encoding: str) -> None:
    """PowerShell's `>` writes it."""
    item = beside_good(tmp_path, "odd.log", GOOD.decode().encode(encoding)).item("odd.log")
    assert (item["events"], item["unread_lines"]) == (GOOD_EVENTS, 0)
    assert item["remarks"][0] == "UTF-16 text"
    assert item["lines"]["read"] == 4


def dated(text: str) -> bytes:
    return GOOD.replace(b"2026-03-04 ", text.encode())


@pytest.mark.parametrize(
    ("data", "first"),
    [
        pytest.param(dated("1970-01-01 "), "1970-01-01T10:00:00Z", id="1970"),
        pytest.param(dated("2099-12-31 "), "2099-12-31T10:00:00Z", id="2099"),
        pytest.param(GOOD, "2026-03-04T10:00:00Z", id="without a zone"),
        pytest.param(dated(""), None, id="without a date"),
        pytest.param(dated("").replace(b"10:00:0", b""), None, id="without a time"),
        pytest.param(dated("9999-99-99 "), None, id="no such date"),
        pytest.param(
            b"".join(reversed(GOOD.splitlines(keepends=True))),
            "2026-03-04T10:00:00Z",
            id="backwards",
        ),
        pytest.param(
            GOOD.replace(b"10:00:01", b"08:00:01"), "2026-03-04T08:00:01Z", id="a jump backwards"
        ),
    ],
)
def test_odd_times(tmp_path: Path, data: bytes, first: str | None) -> None:
    plant.write(tmp_path, {"odd.log": data})
    result = diagnose(tmp_path)
    assert result.code in (0, 1)
    item = result.item("odd.log")
    assert item["events"] == GOOD_EVENTS
    if first:
        assert item["first"].replace(".000000Z", "Z") == first
    if first and first > "2026":
        assert "no zone" in "; ".join(item["remarks"])
    for span in ("p50", "max"):
        measured = result.report["facts"]["reconnect_s"][span]
        assert measured is None or measured >= 0


def test_a_log_without_any_time_is_still_counted(tmp_path: Path) -> None:
    plant.write(tmp_path, {"odd.log": b"ws closed 192.0.2.7:50436 code=1011\n" * 3})
    result = diagnose(tmp_path)
    assert result.item("odd.log")["events"] == 3
    assert result.item("odd.log")["first"] is None
    assert result.report["facts"]["close_codes"] == {"1011": 1}


# -- captures -------------------------------------------------------------------------------------


def packets() -> list[tuple[int, bytes]]:
    wire = plant.craft.Wire().handshake()
    for _ in range(3):
        wire.send(plant.craft.C2S, plant.craft.frame(1, b"hello", side=plant.craft.C2S))
    wire.send(plant.craft.S2C, plant.craft.close(1011, "bye"))
    wire.packet(plant.craft.S2C, plant.craft.FIN | plant.craft.ACK)
    return wire.packets


def pcapng(found: list[tuple[int, bytes]]) -> bytes:
    blocks = [plant.craft.section(), plant.craft.interface()]
    return b"".join([*blocks, *(plant.craft.enhanced(ts, data) for ts, data in found)])


CAPTURES: dict[str, Callable[[list[tuple[int, bytes]]], bytes]] = {
    "wire.pcap": plant.craft.pcap,
    "wire.pcapng": pcapng,
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_cut_anywhere(tmp_path: Path, name: str) -> None:
    """Never an exception, never more than the whole says, and the cut is said where it hurts."""
    whole = CAPTURES[name](packets())
    few = CAPTURES[name](packets()[:6])
    ends = {len(CAPTURES[name](packets()[:count])) for count in range(len(packets()) + 1)}
    ends.add(len(plant.craft.section()))
    full = read(tmp_path, name, whole)
    assert full.events.height > 5
    edge = {end + by for end in ends for by in (-1, 0, 1)}
    for at in sorted({*range(0, len(few), 3), *edge, *range(0, len(whole), 61)} - {0}):
        if at > len(whole):
            continue
        reading = read(tmp_path, name, whole[:at])
        assert reading.events.height <= full.events.height
        if at not in ends and at > 24 and reading.format == full.format:
            assert reading.remarks, at
        if at == len(whole):
            assert reading.events.equals(full.events)


def read(folder: Path, name: str, data: bytes) -> evidence.Reading:
    """What the source that is surest of it makes of the bytes; every row can be shown again."""
    (folder / name).write_bytes(data)
    with evidence.collect([str(folder / name)]) as found:
        assert found.problems == []
        (item,) = found.inputs
        reading = sources.read(item, Config())
        assert reading.events.schema == EVENTS
        positions = reading.events["pos"].unique().sort().to_list()[:50]
        source = sources.choose(item)
        if positions:
            assert source
            assert set(source.excerpt(item, positions)) == set(positions)
        return reading


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_without_packets(tmp_path: Path, name: str) -> None:
    result = beside_good(tmp_path, name, CAPTURES[name]([]))
    assert result.item(name)["events"] == 0
    assert diagnose(tmp_path / name).code == 3


def test_a_capture_of_other_traffic(tmp_path: Path) -> None:
    udp = bytes.fromhex("45000020000100004011000001020304050607080035003500 0c0000") + b"dns?"
    others = [
        (0, b"\xff" * 12 + b"\x08\x00" + udp),
        (1, b"\xff" * 12 + b"\x08\x06" + b"\0" * 28),
        (2, b"\xff" * 12 + b"\x86\xdd" + b"\x60" + b"\0" * 50),
        (3, b""),
        (4, b"\xff" * 5),
        (5, b"\xff" * 12 + b"\x08\x00" + b"\xff" * 40),
    ]
    result = beside_good(tmp_path, "wire.pcap", plant.craft.pcap(others))
    assert result.item("wire.pcap")["events"] == 0
    lone = diagnose(tmp_path / "wire.pcap")
    assert (lone.code, "wire.pcap: " in lone.stderr) == (3, True)
    mixed = plant.craft.pcap([*others, *packets()])
    assert beside_good(tmp_path, "wire.pcap", mixed).item("wire.pcap")["events"] > 5


# -- HAR, archives --------------------------------------------------------------------------------


def test_a_har_cut_in_half(tmp_path: Path) -> None:
    whole = plant.har()
    result = beside_good(tmp_path, "network.har", whole[: len(whole) // 2])
    item = result.item("network.har")
    assert item["unread_lines"] == 1
    assert "not a whole HAR" in item["remarks"][0]
    assert diagnose(tmp_path, "--strict").code == 4
    lone = diagnose(tmp_path / "network.har")
    assert (lone.code, "not a whole HAR" in lone.stderr) == (3, True)


def test_a_har_of_odd_entries(tmp_path: Path) -> None:
    har = json.loads(plant.har())
    odd = [None, 7, "x", [], {}, {"request": None}, {"request": {"url": 5}}]
    har["log"]["entries"] = [*odd, *har["log"]["entries"]]
    data = json.dumps(har).encode()
    item = beside_good(tmp_path, "network.har", data).item("network.har")
    assert item["events"] > 5
    assert item["unread_lines"] >= len(odd) - 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_gz_cut_short(tmp_path: Path, share: float) -> None:
    lines = b"".join(
        b"2026-03-04 10:%02d:%02d ws closed 192.0.2.7:%d code=1006\n"
        % (i // 60, i % 60, 40_000 + i)
        for i in range(1_000)
    )
    packed = gzip.compress(lines)
    result = beside_good(tmp_path, "odd.log.gz", packed[: int(len(packed) * share)])
    item = result.item("odd.log")
    assert "cut short" in item["remarks"][0]
    assert share * 0.5 < item["events"] / 1_000 <= 1


def test_zip_with_hostile_members(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("../../up.log", "/abs.log", "C:\\win.log", "ok/good2.log", "..", "a/../b.log"):
            archive.writestr(name, GOOD)
        archive.writestr("locked.log", GOOD)
    data = bytearray(buffer.getvalue())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):  # the last member is encrypted, its head says
        data[data.rindex(mark) + (6 if mark == b"PK\x03\x04" else 8)] |= 1
    result = beside_good(tmp_path / "in", "odd.zip", bytes(data))
    named = {item["path"]: item for item in result.report["inputs"]}
    for name in ("up.log", "abs.log", "win.log", "ok/good2.log"):
        assert named[f"odd.zip/{name}"]["events"] == GOOD_EVENTS
    assert not [name for name in named if ".." in name or name.startswith("/")]
    assert "encrypted" in named["odd.zip/locked.log"]["remarks"][0]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["good.log", "in", "odd.zip"]


@pytest.mark.parametrize("cut", [4, 30, 0.5, -1])
def test_a_zip_cut_short(tmp_path: Path, cut: float) -> None:
    whole = plant.zipped({"a.log": GOOD})
    at = int(len(whole) * cut) if isinstance(cut, float) else cut
    result = beside_good(tmp_path, "odd.zip", whole[:at])
    assert "odd.zip: " in result.stderr
    assert diagnose(tmp_path, "--strict").code == 4


# -- what lies about in such folders --------------------------------------------------------------


def test_own_reports_are_no_evidence(tmp_path: Path) -> None:
    plant.write(tmp_path, {"good.log": GOOD})
    before = diagnose(tmp_path)
    for suffix in ("md", "json", "txt"):
        (tmp_path / "out").mkdir(exist_ok=True)
        diagnose(tmp_path / "good.log", "-o", tmp_path / "out" / f"report.{suffix}")
    after = diagnose(tmp_path)
    assert after.code == before.code
    for part in ("facts", "verdicts", "findings", "causes", "checklist"):
        assert after.report[part] == before.report[part]
    told = {item["path"]: item["remarks"] for item in after.report["inputs"] if not item["events"]}
    assert told == {
        f"out/report.{suffix}": ["a report of wsdiag, no evidence"]
        for suffix in ("json", "md", "txt")
    }
    assert after.stderr == ""
    assert diagnose(tmp_path, "--strict").code == before.code
    reports = plant.write(tmp_path / "only", {})
    for file in (tmp_path / "out").iterdir():
        shutil.copy(file, reports)
    assert diagnose(reports).code == 3


def test_own_events_are_no_log(tmp_path: Path) -> None:
    plant.write(tmp_path, {"good.log": GOOD})
    before = diagnose(tmp_path)
    for form in ("jsonl", "csv", "parquet"):
        target = tmp_path / f"events.{form}"
        args = ["events", str(tmp_path / "good.log"), "-o", str(target)]
        assert CliRunner().invoke(main, args).exit_code == 0
    after = diagnose(tmp_path)
    assert after.report["facts"] == before.report["facts"]


def test_notes_and_settings_are_no_evidence(tmp_path: Path) -> None:
    plant.write(
        tmp_path,
        {
            "good.log": GOOD,
            "case.toml": b'about = "every websocket closed with 1006"\ncause = "server-crash"\n',
            "wsdiag.toml": b'fail_on = "never"\n[targets]\nconnect_ms = 150\n',
            "docker-compose.yml": b"services:\n  app:\n    image: x\n    restart: always\n",
            "nginx.conf": b"location /ws {\n  proxy_read_timeout 60s;\n}\n",
            "photo.png": b"\x89PNG\r\n\x1a\n" + BINARY,
            "core": b"\x7fELF" + BINARY,
            ".hidden.log": GOOD,
        },
    )
    result = diagnose(tmp_path)
    counted = {item["path"]: item["events"] for item in result.report["inputs"]}
    assert ".hidden.log" not in counted
    assert counted.pop("good.log") == GOOD_EVENTS
    assert {name for name, count in counted.items() if count} == set()


# -- bytes at random ------------------------------------------------------------------------------

SMALL = 30_000
SEEDS = sorted(
    path
    for path in (ROOT / "fixtures").glob("*/evidence/*")
    if path.is_file() and path.stat().st_size
)


def seed(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SMALL)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """The begin of a recorded file, with some of its bytes changed."""
    path = draw(st.sampled_from(SEEDS))
    data = bytearray(seed(path))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        size = draw(st.sampled_from([1, 2, 8, 60, 700]))
        how = draw(st.sampled_from(["flip", "cut", "twice", "insert", "zero", "end", "swap"]))
        if how == "flip" and data:
            data[at] ^= draw(st.integers(1, 255))
        elif how == "cut":
            del data[at : at + size]
        elif how == "twice":
            data[at:at] = data[at : at + size]
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif how == "zero":
            data[at : at + size] = bytes(len(data[at : at + size]))
        elif how == "end":
            del data[at:]
        elif how == "swap":
            other = draw(st.integers(0, max(len(data) - 1, 0)))
            data[at : at + size], data[other : other + size] = (
                data[other : other + size],
                data[at : at + size],
            )
    return path.name, bytes(data)


FUZZ = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def fares_well(room: Path, name: str, data: bytes) -> None:
    """The pipeline says that there is nothing, or gives a whole report."""
    (room / name).write_bytes(data)
    try:
        report = pipeline.diagnose([str(room / name)], Config())
    except (NoEvidence, ConfigError):
        return
    assert [verdict.detector for verdict in report.verdicts] == list(DETECTORS)
    assert not [verdict for verdict in report.verdicts if verdict.verdict == "error"]
    assert report.causes


def test_there_are_seeds() -> None:
    assert {path.suffix for path in SEEDS} >= {".log", ".jsonl", ".pcap", ".pcapng", ".har"}


@settings(FUZZ, max_examples=250)
@given(mutated())
def test_reading_never_fails(room: Path, given_: tuple[str, bytes]) -> None:
    if given_[1]:
        read(room, *given_)


@settings(FUZZ, max_examples=30)
@given(mutated())
def test_diagnosing_never_fails(room: Path, given_: tuple[str, bytes]) -> None:
    fares_well(room, *given_)


@settings(FUZZ, max_examples=100)
@given(st.binary(max_size=400), st.sampled_from(["a.log", "a.har", "a.pcap", "a.jsonl", "a.gz"]))
def test_any_bytes_are_read(room: Path, data: bytes, name: str) -> None:
    read(room, name, data)
