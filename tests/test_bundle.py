"""A bundle gives elsewhere what the evidence gave here, and tells nothing more."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import plant
import pytest
from click.testing import CliRunner, Result

from wsdiag import bundle as bundles
from wsdiag import pipeline, progress, redact
from wsdiag.bundle import lines, texts
from wsdiag.bundle.heads import rewritten
from wsdiag.bundle.packing import Packer
from wsdiag.capture.conversation import Conversation
from wsdiag.capture.http.http1 import RequestReader
from wsdiag.capture.packets.records import Notes, records
from wsdiag.capture.packets.segments import segments
from wsdiag.capture.tcp.streams import What, follow
from wsdiag.capture.websocket import payload
from wsdiag.capture.websocket.deflate import Inflater
from wsdiag.capture.websocket.protocol import Message
from wsdiag.cli import main
from wsdiag.config import Config
from wsdiag.gather import NoEvidence
from wsdiag.progress import Progress

CASES = Path(__file__).parents[1] / "fixtures"
STAND_IN = re.compile(r"eyJhbGciOiJub25lIn0\.([\w-]+)\.wsdiag")


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="wsdiag")


def report_of(*args: object) -> dict[str, Any]:
    result = run(*args, "--format", "json")
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def packed(folder: Path, out: Path, *options: object) -> tuple[Path, Result]:
    """A bundle of a folder, and what the command said."""
    result = run("bundle", folder, "-o", out / "case.zip", *options)
    assert result.exit_code == 0, result.output
    return out / "case.zip", result


def told(report: dict[str, Any]) -> list[Any]:
    """What must be the same wherever it is diagnosed: findings with their proofs, and causes."""
    findings = [{**finding, "evidence": proofs(finding)} for finding in report["findings"]]
    causes = [(cause["id"], cause["confidence"], cause["fix"]) for cause in report["causes"]]
    return [findings, causes, report["verdicts"], report["facts"]]


def proofs(finding: dict[str, Any]) -> list[Any]:
    return [(it["source"], it["pos"], it["ts"], it["excerpt"]) for it in finding["evidence"]]


@pytest.mark.parametrize(
    "case",
    [
        "token-reused-403",  # logs alone; who carried which token, and when it expired
        "two-causes",  # every vantage, behind HAProxy
        "har-idle",
        "story-message-too-big",
        "blocked-server",  # a pcapng, latencies of messages by what they carry
        "invalid-utf8",  # a payload that breaks a rule by its bytes
    ],
)
def test_the_same_findings_elsewhere(case: str, tmp_path: Path, monkeypatch: Any) -> None:
    evidence = CASES / case / "evidence"
    here = report_of(evidence)
    bundle, said = packed(evidence, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert told(report_of(bundle.rename("case.zip"))) == told(here)
    assert "not as in the report" not in said.stderr
    with zipfile.ZipFile("case.zip") as archive:
        assert told(json.loads(archive.read("report.json"))) == told(here)


def test_a_healthy_case_stays_healthy(tmp_path: Path) -> None:
    bundle, _ = packed(CASES / "healthy-pings" / "evidence", tmp_path)
    report = report_of(bundle)
    assert report["findings"] == []
    assert report["causes"][0]["id"] == "healthy"


def test_tls_that_keys_opened_is_handed_on_in_clear(tmp_path: Path) -> None:
    """The keys stay at home; so does what nobody reads of the messages."""
    if not shutil.which("tshark"):
        pytest.skip("no tshark in the path")
    evidence = CASES / "encrypted-idle-cut" / "evidence"
    bundle, said = packed(evidence, tmp_path, "--strict")
    assert "not as in the report" not in said.stderr
    here, there = report_of(evidence), report_of(bundle)
    for finding, other in zip(here["findings"], there["findings"], strict=True):
        assert {**finding, "evidence": []} == {**other, "evidence": []}
    assert told(there)[1] == told(here)[1]
    with zipfile.ZipFile(bundle) as archive:
        capture = archive.read("evidence/wire.pcapng")
    notes = Notes()
    assert list(records(BytesIO(capture), notes))
    assert notes.keys == b""


def test_a_bundle_beside_its_evidence_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    log = b"2026-03-04 10:00:00 ws closed code=1011 conn=1\n"
    plant.write(tmp_path / "case", {"server.log": log})
    packed(tmp_path / "case", tmp_path / "case")
    bundle, said = packed(tmp_path / "case", tmp_path / "case")  # over the one before
    beside = {
        it["source"]: it["format"] for it in report_of(tmp_path / "case", "--strict")["inputs"]
    }
    assert beside == {"case.zip": "report", "server.log": "app-log"}
    assert [it["source"] for it in report_of(bundle)["inputs"]] == ["server.log"]
    (tmp_path / "case" / "server.log").unlink()
    assert [it["source"] for it in report_of(tmp_path / "case")["inputs"]] == ["server.log"]
    assert "not as in the report" not in said.stderr


def test_a_part_of_a_case_is_none(tmp_path: Path) -> None:
    """Ctrl-C while it is packed leaves no bundle."""
    stopped = Progress()
    stopped.stopped = True
    with progress.watched(stopped), pytest.raises((KeyboardInterrupt, NoEvidence)):
        bundles.pack([CASES / "har-idle"], Config(), tmp_path / "case.zip", lambda told: told)
    assert not (tmp_path / "case.zip").exists()


def test_what_does_not_survive_is_told(tmp_path: Path) -> None:
    """A cookie that a line names its connection by: nothing of a cookie is handed on."""
    log = f"2026-03-04 10:00:04 WebSocket error: login failed, Cookie: sid={plant.SESSION}\n"
    plant.write(tmp_path / "in", {"server.log": log.encode()})
    bundle, said = packed(tmp_path / "in", tmp_path)
    assert "not as in the report: server.log: not all events have the same conn" in said.stderr
    with zipfile.ZipFile(bundle) as archive:
        assert "- server.log: not all events" in archive.read("README.txt").decode()
        assert json.loads(archive.read("bundle.json"))["lost"]
    assert run("bundle", tmp_path / "in", "-o", bundle, "--strict").exit_code == 4


def test_settings_are_handed_on_as_options(tmp_path: Path) -> None:
    log = "".join(
        f"2026-03-04 10:{minute:02}:00,000 websocket closed code=1011 conn={minute}\n"
        for minute in range(20)
    )
    plant.write(tmp_path / "in", {"server.log": log.encode()})
    window = ("--since", "2026-03-04T09:05:00Z", "--tz", "Europe/Berlin", "--ignore", "mass-close")
    bundle, said = packed(tmp_path / "in", tmp_path, *window)
    assert f"wsdiag {bundle} --tz Europe/Berlin --ignore mass-close" in said.stdout
    with zipfile.ZipFile(bundle) as archive:
        kept = archive.read("evidence/server.log").decode().splitlines()
    assert [line[14:16] for line in kept] == [""] * 5 + [f"{minute:02}" for minute in range(5, 20)]
    again = report_of(bundle, "--tz", "Europe/Berlin", "--ignore", "mass-close")
    assert told(again) == told(report_of(tmp_path / "in", *window))


def test_public_addresses_stay_joined(tmp_path: Path) -> None:
    """One client in a log, at a proxy and on the wire."""
    wire = plant.craft.Wire().handshake()
    access = "\n".join(
        f'8.8.{i}.8 - - [04/Mar/2026:10:0{i}:05 +0000] "GET /ws HTTP/1.1" 403 26 "-" "-"'
        for i in range(5)
    )
    server = "\n".join(
        f"2026-03-04 10:0{i}:00 ws client [2001:4860:4860::{i}]:5000 disconnected code=1006"
        for i in range(5)
    )
    files = {"access.log": access, "server.log": server}
    plant.write(tmp_path / "in", {name: text.encode() for name, text in files.items()})
    plant.write(tmp_path / "in", {"wire.pcap": wire.pcap()})
    bundle, said = packed(tmp_path / "in", tmp_path)
    assert "not as in the report" not in said.stderr
    assert told(report_of(bundle)) == told(report_of(tmp_path / "in"))
    with zipfile.ZipFile(bundle) as archive:
        for name in archive.namelist():
            assert not re.search(rb"8\.8\.\d\.8|4860", archive.read(name)), name
    before = pipeline.read_events([tmp_path / "in"])["peer"].to_list()
    assert pipeline.read_events([bundle])["peer"].to_list() == before


# -- nothing else ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("planted")
    bundle, _ = packed(plant.write(root / "in", plant.secrets()), root)
    return bundle


def test_no_secret_is_in_a_bundle(planted: Path) -> None:
    with zipfile.ZipFile(planted) as archive:
        for name in archive.namelist():
            assert plant.leaks(name) == []
            text = archive.read(name).decode("utf-8", "replace")
            for claims in STAND_IN.findall(text):
                known = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
                assert set(known) == {"jti", "iat", "exp"}
            for line in STAND_IN.sub("", text).splitlines():
                assert plant.leaks(line) == [], (name, line[:200])


def test_no_secret_is_in_a_bundle_under_a_mask(planted: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(planted) as archive:
        archive.extract("evidence/wire.pcap", tmp_path)
    talks: dict[object, Conversation] = {}
    said = 0
    with (tmp_path / "evidence" / "wire.pcap").open("rb") as stream:
        for fact in follow(segments(records(stream, Notes()), Notes())):
            talk = talks.setdefault(fact.conn, Conversation(0))
            if fact.what is What.DATA:
                for told in talk.feed(fact.side, fact.data, fact.pos, fact.ts):
                    said += isinstance(told, Message)
                    assert plant.leaks(STAND_IN.sub("", repr(told))) == []
    assert said


def test_what_is_not_about_connections_stays_at_home(tmp_path: Path) -> None:
    diary = "".join(f"2026-03-04 09:{i:02}:00 INFO recipe {i}: stir well\n" for i in range(60))
    closed = "2026-03-04 10:00:00 INFO websocket closed code=1011 conn=1\n"
    plant.write(
        tmp_path / "in",
        {
            "app.log": (diary + closed + diary).encode(),
            "wsdiag.toml": b"# our own settings\n",
            "photo.bin": bytes(range(256)) * 9,
        },
    )
    bundle, _ = packed(tmp_path / "in", tmp_path)
    with zipfile.ZipFile(bundle) as archive:
        names = [name for name in archive.namelist() if name.startswith("evidence/")]
        assert names == ["evidence/app.log"]
        kept = archive.read("evidence/app.log").decode().split("\n")
    assert kept[60] == closed.strip()
    shown = [number for number, line in enumerate(kept, 1) if line]
    assert shown == [*range(1, 21), 59, 60, 61, 62, 63]


def test_other_traffic_leaves_its_time_only(tmp_path: Path) -> None:
    craft = plant.craft
    wire = craft.Wire().handshake()
    wire.send(craft.C2S, craft.frame(2, b"a private photo", side=craft.C2S))
    wire.send(craft.S2C, craft.close(1011, "bye"))
    other = craft.Wire(client=("10.0.0.7", 5555), ts=wire.ts)
    other.syn()
    other.packet(craft.S2C, craft.SYN | craft.ACK, at=0)
    other.send(craft.C2S, b"SELECT name FROM patients")
    plant.write(tmp_path / "in", {"wire.pcap": craft.pcap([*other.packets, *wire.packets])})
    bundle, _ = packed(tmp_path / "in", tmp_path)
    with zipfile.ZipFile(bundle) as archive:
        data = archive.read("evidence/wire.pcap")
    with (tmp_path / "in" / "wire.pcap").open("rb") as stream:
        before = list(records(stream, Notes()))
    after = list(records(BytesIO(data), Notes()))
    assert [(it.pos, it.ts) for it in after] == [(it.pos, it.ts) for it in before]
    assert [len(it.data) for it in after[: len(other.packets)]] == [14] * len(other.packets)
    assert b"bye" in data
    assert b"patients" not in data


def netlog() -> bytes:
    """A WebSocket that the server closes with 1011, and another page that is nobody's business."""
    close = b"\x88\x05\x03\xf3bye"
    told = [
        (7, "URL_REQUEST_START_JOB", {"url": "https://diary.example/private"}),
        (5, "REQUEST_ALIVE", {"url": f"wss://h.example/ws?token={plant.OPAQUE}"}),
        (6, "SOCKET_POOL_BOUND_TO_SOCKET", {"source_dependency": {"id": 9, "type": 1}}),
        (5, "HTTP_STREAM_REQUEST_BOUND_TO_JOB", {"source_dependency": {"id": 6, "type": 1}}),
        (5, "HTTP_TRANSACTION_SEND_REQUEST_HEADERS", {"headers": [f"Cookie: sid={plant.COOKIE}"]}),
        (5, "HTTP_TRANSACTION_READ_RESPONSE_HEADERS", {"headers": ["HTTP/1.1 101 Switching"]}),
        (5, "WEBSOCKET_SENT_FRAME_HEADER", {"opcode": 1, "payload_length": 9}),
        (9, "SOCKET_BYTES_RECEIVED", {"bytes": base64.b64encode(b"secret" + close).decode()}),
        (5, "WEBSOCKET_RECV_FRAME_HEADER", {"opcode": 8, "payload_length": 5}),
        (9, "SOCKET_BYTES_RECEIVED", {"byte_count": 0}),
    ]
    types = {name: number for number, name in enumerate(dict.fromkeys(name for _, name, _ in told))}
    events = [
        {"type": types[name], "source": {"id": source}, "time": 1000 + i, "params": params}
        for i, (source, name, params) in enumerate(told)
    ]
    constants = {"logEventTypes": types, "timeTickOffset": 1_772_618_400_000}
    rows = ",\n".join(map(json.dumps, events))
    return f'{{"constants": {json.dumps(constants)},\n"events": [\n{rows}]\n}}\n'.encode()


def test_of_a_netlog_one_connection_is_left(tmp_path: Path) -> None:
    plant.write(tmp_path / "in", {"net.json": netlog()})
    bundle, said = packed(tmp_path / "in", tmp_path)
    assert "not as in the report" not in said.stderr
    columns = ["ts", "pos", "kind", "code", "reason", "token", "bytes"]
    before = pipeline.read_events([tmp_path / "in"]).select(columns)
    assert pipeline.read_events([bundle]).select(columns).equals(before)
    assert before.filter(kind="close").rows(named=True)[0]["reason"] == "bye"
    with zipfile.ZipFile(bundle) as archive:
        kept = archive.read("evidence/net.json")
    assert plant.leaks(kept) == []
    for word in (b"diary", b"Cookie", base64.b64encode(b"secret")[:6]):
        assert word not in kept


def test_of_devtools_events_payloads_keep_their_size_alone(tmp_path: Path) -> None:
    """The pages of this case say nothing but x's beside the ids."""
    folder = CASES / "story-message-too-big" / "evidence"
    (tmp_path / "case").mkdir()
    shutil.copy(folder / "cdp-events.jsonl", tmp_path / "case")
    bundle, _ = packed(tmp_path / "case", tmp_path)
    with zipfile.ZipFile(bundle) as archive:
        (name,) = (it for it in archive.namelist() if it.endswith("cdp-events.jsonl"))
        copied = archive.read(name).decode()
    lines = (folder / "cdp-events.jsonl").read_text("utf-8").splitlines()
    assert len(copied.splitlines()) == len(lines)
    assert "xxxxxxxx" not in copied
    assert "User-Agent" not in copied


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-o", "case.tar"], "the suffix must be .zip"),
        (["-o", "case.zip", "--no-redact", "--yes"], "leave out --no-redact"),
        (["-o", "nowhere/case.zip"], "no such folder"),
        ([], "Missing option '-o'"),
    ],
)
def test_wrong_usage(args: list[str], said: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("bundle", CASES / "har-idle", *args)
    assert result.exit_code == 2
    assert said in result.stderr


# -- what stands for a secret ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"GET /ws?token={plant.JWT} HTTP/1.1",
        f"Authorization: Bearer {plant.JWT}",
        f'{{"token": "{plant.OPAQUE}", "n": 1}}',
        "peer 8.8.8.8:443 user=alice",
        "from [2001:4860:4860::8888]:443",
        f"mail {plant.EMAIL} key sk-abcdefghijklmnopqrstuvwx",
        f"10.1.2.3 - {plant.USER} [04/Mar/2026:10:00:00 +0000] GET /ws?sid={plant.SESSION}",
    ],
)
def test_it_is_read_and_shown_as_the_secret_was(text: str) -> None:
    stand_in = redact.Redactor(rereadable=True).mask(text)
    assert plant.leaks(STAND_IN.sub("", stand_in)) == []
    assert redact.Redactor().mask(stand_in) == redact.Redactor().mask(text)
    assert redact.Redactor(rereadable=True).mask(stand_in) == stand_in
    secret, standing = redact.find_token(text), redact.find_token(stand_in)
    assert (secret and redact.token(secret)) == (standing and redact.token(standing))
    assert redact.jwt_times(stand_in) == redact.jwt_times(text)


def test_numbers_in_json_stay_json() -> None:
    redactor = redact.Redactor(rereadable=True)
    line = 'app {"user_id": 12345, "password": 99, "msg": "ws open", "n": [1, {"token": "abc"}]}'
    head, _, told = lines.masked(line, redactor).partition(" ")
    assert head == "app"
    assert json.loads(told) == {
        "user_id": redact.user("12345"),
        "password": "[password]",
        "msg": "ws open",
        "n": [1, {"token": redact.token("abc")}],
    }


@pytest.mark.parametrize(
    ("text", "engine_io"),
    [
        (b'{"type":"order","id":7,"card":"4111"}', False),
        (b'{"type":"ping","payload":{"a":1}}', False),
        (b'{"type":"ping","secret":"x"}', False),
        (b'["4","5","room:1","new_msg",{"body":"x"}]', False),
        (b'{"type":1,"target":"Send","arguments":["x"],"invocationId":"3"}\x1e', False),
        (b'42/admin,7["chat",{"id":"m1","text":"x"}]', True),
        (b"2probe", True),
        (b"hello, nobody reads this", False),
        (b"\xff\xfe", False),
    ],
)
def test_a_payload_says_what_is_read_of_it_and_no_more(text: bytes, engine_io: bool) -> None:
    redactor = redact.Redactor(rereadable=True)
    size = len(text)
    short = texts.of_size(texts.alike(text, engine_io, redactor), size)
    assert len(short) == size
    assert payload.read(short, engine_io) == payload.read(text, engine_io)
    for other in (b"4111", b'"x"', b"hello", b"text", b"body"):
        assert other not in short


@pytest.mark.parametrize("takeover", [True, False])
def test_packed_messages_keep_their_size(takeover: bool) -> None:
    packer, inflater = Packer(takeover), Inflater(takeover)
    sender = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    said = 0
    for number in range(200):
        text = json.dumps({"type": "tick", "id": number}).encode()
        whole = json.dumps({"type": "tick", "id": number, "price": number * 7919}).encode()
        size = len(sender.compress(whole) + sender.flush(zlib.Z_SYNC_FLUSH)) - 4
        packed_ = packer.pack(text, size)
        assert len(packed_) == size
        told = inflater.inflate(packed_)
        assert told is not None
        assert told.strip() in (text, b"")
        said += told.strip() == text
    assert said > (180 if takeover else 0)  # a shorter text may need more room, for want of words


@pytest.mark.parametrize("room", [0, 12, 60])
def test_a_request_whose_stand_ins_are_long_is_still_one(room: int) -> None:
    """Its query's short values become longer, and its host has to be there all the same."""
    data = (
        b"GET /live?a=1&b=2&c=3&d=4 HTTP/1.1\r\nHost: h.test:80\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: 0q7FY4Crff8sapJ78oiUyA==\r\n"
        b"Sec-WebSocket-Version: 13\r\n" + b"X: ".ljust(room) + b"\r\n\r\n"
    )
    copied = rewritten(data, redact.Redactor())
    assert len(copied) == len(data)
    request = RequestReader().feed(copied, 1, 1)
    assert request is not None
    assert (request.path, request.is_upgrade) == ("/live", True)
