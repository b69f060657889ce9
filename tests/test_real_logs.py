"""Recorded logs of real systems and labelled excerpts, from the files to the named cause.

Beside most logs lies what the client saw on the raw socket. A log is held to it only as far as its
server can know: 1005 in an ASGI log may be a socket that died, 1006 of hypercorn says nothing, and
what a killed proxy held has no line.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from wsdiag.config import Config
from wsdiag.detectors import DETECTORS
from wsdiag.gather import NoEvidence
from wsdiag.report import Report

pipeline = importlib.import_module("wsdiag.pipeline")  # the package shows the function

SHARED = Path(__file__).parents[2] / "shared"
REAL, CASES, CORPUS = SHARED / "real-logs", SHARED / "cases", SHARED / "corpus"

needs_real_logs = pytest.mark.skipif(
    not REAL.is_dir(), reason="the recorded logs are not beside the checkout"
)
needs_cases = pytest.mark.skipif(
    not CASES.is_dir(), reason="the labelled excerpts are not beside the checkout"
)
needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the public captures are not beside the checkout"
)

NOT_LOGS = frozenset({"journalctl-export.txt"})
"""Binary: fields with a length before them."""


def folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


class Seen(NamedTuple):
    """What the client saw."""

    statuses: Counter[str]
    received: Counter[int]
    opened: dict[str, str]
    """Sec-WebSocket-Key → time of the end, of every connection that got its 101."""


@cache
def client_of(log: str) -> Seen:
    beside = REAL / log.replace(".log", ".client.jsonl")
    record = beside if beside.exists() else (REAL / log).parent / "client.jsonl"
    statuses, received = Counter[str](), Counter[int]()
    key, opened = dict[str, str](), dict[str, str]()
    for line in record.read_text().splitlines():
        said: dict[str, Any] = json.loads(line)
        scenario = said.get("sc", "")
        match said.get("ev"):
            case "connect":
                key[scenario] = said["key"]
            case "response":
                status = said["status"].split(" ")[1:2]
                statuses.update(status)
                if status == ["101"]:
                    opened[key[scenario]] = said["t"]
            case "close_frame_received":
                received[said["code"]] += 1
            case "eof" if key.get(scenario) in opened:
                opened[key[scenario]] = said["t"]
    return Seen(statuses, received, opened)


@cache
def report_of(log: str) -> Report:
    return pipeline.diagnose([str(REAL / log)], Config())


@cache
def events_of(log: str) -> pl.DataFrame:
    return pipeline.read_events([str(REAL / log)], Config())


# -- whole folders --------------------------------------------------------------------------------


@needs_real_logs
@pytest.mark.parametrize("folder", folders(REAL), ids=lambda path: path.name)
def test_every_folder_is_diagnosed(folder: Path) -> None:
    report = report_of(folder.name)
    assert [verdict.detector for verdict in report.verdicts] == list(DETECTORS)
    assert not [v for v in report.verdicts if v.verdict == "error"]
    assert report.causes[0].id != "healthy"
    assert report.facts.connections > 0
    assert report.window.covered.since < report.window.covered.until
    assert len(report.inputs) == sum(path.is_file() for path in folder.iterdir())
    for item in report.inputs:
        if item.bytes and item.path not in NOT_LOGS:
            assert item.format not in ("unknown", "unreadable"), item.path
        if item.path.endswith(".log") and item.bytes and item.path != "stdout.log":
            assert item.events > 0, item.path
            assert item.vantage, item.path
    assert report.causes[0].investigation.server_logs


@needs_real_logs
@pytest.mark.parametrize("folder", folders(REAL), ids=lambda path: path.name)
def test_every_proof_can_be_shown(folder: Path) -> None:
    report = report_of(folder.name)
    proofs = {report.pointer(p) for finding in report.findings for p in finding.evidence}
    for pointer in sorted(proofs)[:6]:
        ((place, text),) = pipeline.show(pointer, [str(folder)])
        assert place == pointer
        assert text.strip()


# -- against what the client saw ------------------------------------------------------------------

OPENS = {  # log: connections held when the proxy was killed, which leave no line
    "aiohttp/aiohttp-restart.log": 0,
    "apache/access-detail.log": 0,
    "apache-restart/access-detail.log": 0,
    "caddy/access.log": 0,
    "caddy-restart/access.log": 0,
    "daphne/daphne.log": 0,
    "daphne/daphne-restart.log": 0,
    "gorilla/gorilla.log": 0,
    "gunicorn/gunicorn-uvicorn.log": 0,
    "gunicorn/gunicorn-uvicorn-debug.log": 0,
    "haproxy/syslog-udp-raw.log": 3,
    "haproxy/stdout-raw.log": 3,
    "haproxy-restart/syslog-udp-raw.log": 0,
    "hypercorn/hypercorn.log": 0,
    "nginx/access-combined.log": 3,
    "nginx/access-detailed.log": 3,
    "nginx/access-ingress.log": 3,
    "nginx/access-json.log": 3,
    "nginx-restart/access-detailed.log": 3,
    "nhooyr/nhooyr.log": 0,
    "node-ws/ws.log": 0,
    "tornado/tornado.log": 0,
    "tornado/tornado-restart.log": 0,
    "uvicorn/uvicorn-0.23-websockets11-info.log": 0,
    "uvicorn/uvicorn-0.23-websockets11-debug.log": 0,
    "uvicorn/uvicorn-sansio-info.log": 0,
    "uvicorn/uvicorn-sansio-trace.log": 0,
    "uvicorn/uvicorn-websockets-info.log": 0,
    "uvicorn/uvicorn-websockets-debug.log": 0,
    "uvicorn/uvicorn-wsproto-info.log": 0,
    "uvicorn/uvicorn-wsproto-trace.log": 0,
    "websockets/websockets-info.log": 0,
    "websockets/websockets-debug.log": 0,
    "websockets/websockets11-debug.log": 0,
}


@needs_real_logs
@pytest.mark.parametrize(("log", "held"), OPENS.items())
def test_each_101_is_one_open(log: str, held: int) -> None:
    opens = events_of(log).filter(kind="open").height
    assert opens == client_of(log).statuses["101"] - held


@needs_real_logs
def test_what_nginx_did_not_log_are_those_it_held_when_it_was_killed() -> None:
    log = "nginx/access-detailed.log"
    opened, logged = client_of(log).opened, set(events_of(log)["key"])
    assert logged - {None} & opened.keys()
    ends = sorted(opened[key] for key in opened.keys() - logged)
    assert len(ends) == 3
    assert ends[0][:16] == ends[-1][:16] == max(opened.values())[:16]


REJECTIONS = [
    "apache-restart/access-detail.log",
    "caddy/access.log",
    "caddy-restart/access.log",
    "haproxy/syslog-udp-raw.log",
    "haproxy-restart/syslog-udp-raw.log",
    "nginx/access-detailed.log",
    "nginx/access-json.log",
    "nginx-restart/access-detailed.log",
    "tornado/tornado.log",
    "websockets/websockets-info.log",
]


@needs_real_logs
@pytest.mark.parametrize("log", REJECTIONS)
def test_rejections_are_those_that_the_client_got(log: str) -> None:
    told = client_of(log).statuses
    assert report_of(log).facts.rejections == {s: n for s, n in told.items() if s != "101"}


CODES = {
    "gorilla/gorilla.log": (1000, 1001, 1005, 1008, 1011, 1012, 4401),
    "node-ws/ws.log": (1001, 1005, 1008, 1011, 1012, 4401),
    "tornado/tornado.log": (1000, 1001, 1008, 1011, 1012, 4401),
    "gunicorn/gunicorn-uvicorn.log": (1000, 1002, 1007),  # it does not log what the app closes
    "uvicorn/uvicorn-websockets-info.log": (1000, 1005, 1012),
    "uvicorn/uvicorn-0.23-websockets11-debug.log": (1000, 1001, 1002, 1005, 1007, 1008, 1009, 4401),
    "uvicorn/uvicorn-websockets-debug.log": (1001, 1002, 1005, 1007, 1008, 1011, 4401),
    "uvicorn/uvicorn-sansio-trace.log": (1001, 1002, 1007, 1008, 1011, 1012, 4401),
    "uvicorn/uvicorn-wsproto-trace.log": (1009, 1012, 4401),
    "uvicorn/uvicorn-wsproto-restart.log": (1012,),
    "uvicorn/uvicorn-sansio-restart.log": (1012,),
    "uvicorn/uvicorn-websockets-restart.log": (1012,),
    "websockets/websockets-info.log": (1002, 1007, 1009),  # only what ended in a traceback
    "websockets/websockets-debug.log": (1002, 1005, 1007, 1008, 1009, 1011, 1012, 4401),
    "websockets/websockets11-debug.log": (1002, 1005, 1007, 1008, 1009, 1011, 1012, 4401),
}


@needs_real_logs
@pytest.mark.parametrize(("log", "codes"), CODES.items())
def test_close_codes_are_those_that_the_client_got(log: str, codes: tuple[int, ...]) -> None:
    counted, received = report_of(log).facts.close_codes, client_of(log).received
    assert {code: counted.get(str(code), 0) for code in codes} == {
        code: received[code] for code in codes
    }


@needs_real_logs
@pytest.mark.parametrize("log", ["uvicorn-websockets", "uvicorn-sansio", "uvicorn-wsproto"])
def test_a_restart_closes_with_1012(log: str) -> None:
    name = f"uvicorn/{log}-restart.log"
    assert client_of(name).received == {1012: 2}
    kinds = set(events_of(name)["kind"])
    assert {"server_start", "server_stop", "open", "close"} <= kinds


@needs_real_logs
@pytest.mark.parametrize(
    "log",
    [
        "uvicorn-websockets",
        "uvicorn-sansio",
        "uvicorn-wsproto",
    ],
)
def test_a_restart_under_open_connections_is_not_health(log: str) -> None:
    assert report_of(f"uvicorn/{log}-restart.log").causes[0].id != "healthy"


@needs_real_logs
@pytest.mark.xfail(strict=True, reason="a close before the accept is a 403, not a Close frame")
def test_a_close_before_the_accept_is_no_close_frame() -> None:
    log = "uvicorn/uvicorn-wsproto-trace.log"
    assert report_of(log).facts.close_codes["1008"] == client_of(log).received[1008]


@needs_real_logs
@pytest.mark.parametrize("log", ["websockets-debug", "websockets11-debug"])
@pytest.mark.xfail(strict=True, reason="two of five connections closed with 1001 are not counted")
def test_interleaved_transcripts_count_each_close(log: str) -> None:
    name = f"websockets/{log}.log"
    assert report_of(name).facts.close_codes["1001"] == client_of(name).received[1001]


@needs_real_logs
@pytest.mark.parametrize("log", ["aiohttp/aiohttp.log", "daphne/daphne.log"])
@pytest.mark.xfail(strict=True, reason="codes of closes without a connection are not counted")
def test_close_codes_of_unnamed_connections_are_counted(log: str) -> None:
    rows = events_of(log).filter(kind="close").drop_nulls("code")
    assert rows.height >= 10
    assert report_of(log).facts.close_codes


@needs_real_logs
def test_haproxy_says_who_ended_it() -> None:
    """One idle tunnel; four whose client vanished without a Close frame."""
    for name in ("stdout-raw", "syslog-udp-raw"):
        report = report_of(f"haproxy/{name}.log")
        assert report.facts.ends["cD--"] == 1
        assert report.facts.ends["CD--"] == 4
    assert report.causes[0].id == "haproxy-timer"
    assert "cD--" not in report_of("haproxy-restart/syslog-udp-raw.log").facts.ends


@needs_real_logs
def test_nginx_says_what_it_cut() -> None:
    """The idle cut after 5 s and four clients that vanished, of the errors at level info."""
    report = report_of("nginx/error.log")
    assert report.facts.ends == {"rst": 4, "timeout": 1}
    whole = report_of("nginx")
    assert whole.causes[0].id == "proxy-idle-timeout"


# -- public captures and HARs ---------------------------------------------------------------------

PUBLIC = sorted(
    path
    for path in (CORPUS.rglob("*") if CORPUS.is_dir() else ())
    if path.suffix in (".pcap", ".pcapng", ".har", ".json", ".log")
)


@needs_corpus
@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: str(path.relative_to(CORPUS)))
def test_public_evidence_is_diagnosed_or_declined(path: Path) -> None:
    try:
        report = pipeline.diagnose([str(path)], Config())
    except NoEvidence:
        # Traffic of another kind, and what other tools made of a capture.
        assert path.suffix not in (".pcap", ".pcapng")
        return
    (item,) = report.inputs
    assert (item.events > 0, item.unread_lines) == (True, 0)
    assert not [v for v in report.verdicts if v.verdict == "error"]


# -- labelled excerpts ----------------------------------------------------------------------------

FLOOR = 36
"""Right first causes of 46; 38 when this was written."""


class Judged(NamedTuple):
    """A case and what was made of it."""

    name: str
    named: str
    label: dict[str, Any]

    @property
    def right(self) -> bool:
        return self.named in (self.label["cause"], *self.label["also_acceptable"])

    def __str__(self) -> str:
        mark = "right" if self.right else "WRONG"
        return f"{mark}  {self.name}: {self.named}, wanted {self.label['cause']}"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[Judged]:
    """Only the evidence is given, in a folder of no telling name."""
    found = []
    for case in folders(CASES):
        room = tmp_path_factory.mktemp("incident")
        shutil.copy(case / "evidence.log", room)
        label = tomllib.loads((case / "case.toml").read_text())
        try:
            named = pipeline.diagnose([str(room)], Config()).causes[0].id
        except NoEvidence:
            named = "no evidence"
        found.append(Judged(case.name, named, label))
    return found


@needs_cases
def test_no_excerpt_is_badly_judged(judged: list[Judged]) -> None:
    assert len(judged) == 46
    assert [str(one) for one in judged if one.named in one.label["must_not"]] == []
    assert [str(one) for one in judged if one.named in ("no evidence", "healthy")] == []


@needs_cases
def test_the_share_of_right_first_causes(
    judged: list[Judged], record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    right = sum(one.right for one in judged)
    record_property("right_first_causes", right)
    with capsys.disabled():
        print(f"\nright first causes: {right} of {len(judged)}")  # noqa: T201
    assert right >= FLOOR, "\n".join(map(str, judged))
