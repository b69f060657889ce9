"""Random secrets of every named pattern, in random places of every kind of evidence: no command
tells one of them. And text that would act on a terminal, a page, a ticket, a table or a job log is
inert in what every command says.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import random
import re
import shutil
import string
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import msgspec
import plant
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from wsdiag import reporters
from wsdiag.cli import EVENT_FORMATS, PLACES, main
from wsdiag.cli.settings import SUFFIXES
from wsdiag.report import Report, pointer

craft = plant.craft
PIECE = 9
"""A secret is cut into pieces of so many characters; each of them is a leak, too."""

TIMES = 6
"""So often each kind of line holds other secrets."""

OWN = '[[redact.patterns]]\nname = "staff"\nmatch = "EMP-(?P<mask>[0-9A-Za-z]{14})"\n'


class Secret(NamedTuple):
    """A secret, and how it is written down."""

    rule: str
    core: str
    text: str


def some(rng: random.Random, size: int) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits, k=size - 2)) + "x7"


def jwt(rng: random.Random) -> tuple[str, str]:
    claims = json.dumps({"sub": some(rng, 20), "exp": 1_774_000_000 + rng.randrange(10**6)})
    head = plant.b64('{"alg":"HS256"}')
    return plant.b64(claims)[:40], f"{head}.{plant.b64(claims)}.{some(rng, 30)}"


def basic(rng: random.Random) -> tuple[str, str]:
    told = base64.b64encode(f"erin:{some(rng, 18)}".encode()).decode()
    return told.rstrip("="), f"Authorization: Basic {told}"


def written(form: str, size: int = 20) -> Callable[[random.Random], tuple[str, str]]:
    def make(rng: random.Random) -> tuple[str, str]:
        core = some(rng, size)
        return core, form.format(core)

    return make


def address(rng: random.Random) -> tuple[str, str]:
    core = ".".join([f"8{rng.randrange(1, 9)}", *(str(rng.randrange(100, 250)) for _ in range(3))])
    return core, f"peer {core}"


PATTERNS: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "jwt": jwt,
    "basic": basic,
    "bearer": written("Authorization: Bearer {}"),
    "cookie": written("Cookie: sid={}; theme=dark"),
    "api key": written("X-Api-Key: {}"),
    "password": written("password={}"),
    "token": written("token={}"),
    "session": written("session_id={}"),
    "url credentials": written("wss://bob:{}@h.example/ws"),
    "url query": written("wss://h.example/ws?room={}"),
    "url token": written("wss://h.example/ws?access_token={}&v=1"),
    "e-mail": written("{}@mail.example"),
    "address": address,
    "stripe": written("sk_live_{}", 24),
    "github": written("ghp_{}", 36),
    "slack": written("xoxb-{}", 30),
    "google": written("AIza{}", 35),
    "gitlab": written("glpat-{}"),
    "npm": written("npm_{}", 36),
    "hugging face": written("hf_{}", 34),
    "vault": written("hvs.{}", 24),
    "own": written("EMP-{}", 14),
}


class Room:
    """Evidence being made: each place takes another secret."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.secrets: list[Secret] = []

    def text(self) -> str:
        """Another secret as it is written down, with words around it or without."""
        rule = self._rng.choice(list(PATTERNS))
        core, text = PATTERNS[rule](self._rng)
        self.secrets.append(Secret(rule, core, text))
        return self._rng.choice(["{}", "for {}", "{} again", "({})", '"{}"', "[{}],"]).format(text)

    def word(self) -> str:
        """A secret that may stand in the name of a file."""
        rule = self._rng.choice(["token", "e-mail", "own", "jwt", "github", "stripe", "password"])
        core, text = PATTERNS[rule](self._rng)
        self.secrets.append(Secret(rule, core, text))
        return text[:150]


def logs(room: Room) -> dict[str, str]:
    """Lines of proxies, servers and applications."""
    text = room.text
    lines = [
        line
        for i in range(TIMES)
        for line in (
            f"2026-03-04 10:00:01 websocket connected conn={i} {text()}",
            f"2026-03-04 10:00:02 {text()} ws closed: code 1006 conn={i}",
            f"2026-03-04 10:00:03 WebSocket error: {text()}",
            f"2026-03-04 10:00:04 ws closed code=1011 reason={text()}",
            f"2026-03-04 10:00:05 recipe {text()}: stir well",
        )
    ]
    nginx = [
        f'192.0.2.7 - - [04/Mar/2026:10:00:0{i} +0000] "GET /ws?{quote(text())} HTTP/1.1" 403 0 '
        f'"{text()}" "app {text()}"'.replace('""', '"')
        for i in range(9)
    ]
    error = (
        "2026/03/04 10:00:05 [error] 11#11: *1 connect() failed (111: Connection refused) while "
        f'connecting to upstream, client: 192.0.2.7, request: "GET /ws HTTP/1.1", host: "{text()}"'
    )
    records = [
        {"time": f"2026-03-04T10:00:0{i}Z", "code": 1006 + i, **record}
        for i in range(TIMES)
        for record in (
            {"msg": f"ws closed {text()}"},
            {"msg": "ws closed", "reason": text()},
            {"msg": "ws open", "req": {"headers": [text(), text()]}},
            {"msg": "ws error", "body": json.dumps({"a": text()})},
        )
    ]
    return {
        "app.log": "\n".join(lines),
        "access.log": "\n".join(nginx),
        "error.log": error,
        "app.jsonl": "\n".join(map(json.dumps, records)),
    }


def har(room: Room) -> bytes:
    text = room.text
    messages = [
        {"type": "send", "time": 1_772_618_401.5, "opcode": 1, "data": text()},
        {"type": "receive", "time": 1_772_618_402.5, "opcode": 1,
         "data": json.dumps({"type": text(), "id": text()})},
        {"type": "error", "time": 1_772_618_403.5, "opcode": -1, "data": text()},
    ]  # fmt: skip
    entry = {
        "startedDateTime": "2026-03-04T10:00:01.000Z",
        "time": 18.0,
        "_resourceType": "websocket",
        "request": {
            "method": "GET",
            "url": f"wss://h.example/ws?{quote(text())}",
            "headers": [{"name": "X-Request-ID", "value": text()}],
        },
        "response": {"status": 101},
        "_webSocketMessages": messages,
    }
    failed = {**entry, "response": {"status": 0, "_error": text()}, "_webSocketMessages": []}
    return json.dumps(
        {"log": {"version": "1.2", "creator": {"name": "x"}, "entries": [entry, failed]}}
    ).encode()


def netlog(room: Room) -> bytes:
    text = room.text
    types = ["REQUEST_ALIVE", "HTTP_TRANSACTION_SEND_REQUEST_HEADERS", "WEBSOCKET_UPGRADE_FAILURE"]
    constants = {"logEventTypes": {name: i for i, name in enumerate(types)}, "timeTickOffset": 0}
    told = [
        (0, {"url": f"wss://h.example/ws?{quote(text())}"}),
        (1, {"headers": [f"X-Request-ID: {text()}", f"Referer: {text()}"]}),
        (2, {"message": f"Error during WebSocket handshake: {text()}"}),
    ]
    events = [
        {"type": kind, "source": {"id": 5}, "time": 1_772_618_401_000 + i, "phase": 0, "params": it}
        for i, (kind, it) in enumerate(told)
    ]
    rows = ",\n".join(map(json.dumps, events))
    return f'{{"constants": {json.dumps(constants)},\n"events": [\n{rows}]}}\n'.encode()


def capture(room: Room) -> bytes:
    text = room.text
    target = f"/ws?{quote(text())}"
    chat = craft.Wire().handshake(target, f"X-Request-ID: {text()}\r\nX-Other: {text()}\r\n")
    for side in (craft.C2S, craft.S2C) * TIMES:
        for said in (json.dumps({"type": text(), "topic": text(), "id": text()}), text()):
            chat.send(side, craft.frame(1, said.encode(), side=side))
    chat.send(craft.S2C, craft.frame(9, text().encode()[:125], side=craft.S2C))
    chat.send(craft.S2C, craft.close(4401, text()[:120]))
    denied = craft.Wire(client=("10.0.0.3", 40_001), ts=chat.ts)
    denied.syn()
    denied.packet(craft.S2C, craft.SYN | craft.ACK, at=0)
    denied.send(craft.C2S, craft.request("/ws"))
    body = text().encode()
    denied.send(craft.S2C, b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return craft.pcap(chat.packets + denied.packets)


def keylog(room: Room) -> str:
    rng = random.Random(len(room.secrets))
    lines = []
    for label in ("CLIENT_RANDOM", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"):
        core = "".join(rng.choices("0123456789abcdef", k=96))
        room.secrets.append(Secret("key log", core, core))
        lines.append(f"{label} {'ab' * 32} {core}")
    return "\n".join(lines)


FORMAT = """id = "mine"
title = "Our own"
vantage = "server"
stack = "mine"
needs = ["gone", "there"]
pattern = '''^EVT (?P<time>\\S+) (?P<message>\\w+) who=(?P<user>\\S+) why="(?P<reason>[^"]*)"'''

[[rule]]
match = "gone"
rows = [{ kind = "close" }]

[[rule]]
match = "there"
rows = [{ kind = "open" }]

[[sample]]
line = '''EVT 2026-03-04T10:00:01Z gone who=x why="y"'''
events = [{ kind = "close" }]
"""


def evidence(rng: random.Random) -> tuple[dict[str, bytes], list[Secret]]:
    """Every kind of evidence by its file's name, and what is hidden in it."""
    room = Room(rng)
    files = {name: f"{text}\n".encode() for name, text in logs(room).items()}
    files |= {"net.har": har(room), "net.json": netlog(room), "wire.pcap": capture(room)}
    files["keys.log"] = f"{keylog(room)}\n".encode()
    mine = [
        f'EVT 2026-03-04T10:00:0{i}Z {word} who={some(rng, 9)} why="{room.text()}" {room.text()}'
        for i, word in enumerate(("there", "gone", "lost"))
    ]
    files["mine.log"] = "\n".join(mine).encode() + b"\n"
    for _ in range(2):
        files[f"1 of {room.word()}.log"] = b"2026-03-04 10:00:01 ws closed code=1006\n"
    return files, room.secrets


def said(root: Path) -> Iterator[tuple[str, str]]:
    """Everything that every command says about the evidence below `root`, by the command."""
    incident = root / "root" / "incident"
    options = ("--formats", root / "formats")

    def run(*args: object) -> Iterator[tuple[str, str]]:
        name = " ".join(map(str, args)).replace(str(root), "")
        told = CliRunner().invoke(main, [str(arg) for arg in args], prog_name="wsdiag")
        assert told.exit_code in (0, 1, 3), (name, told.output, told.exception)
        yield name, told.stdout_bytes.decode("utf-8", "replace")
        yield f"stderr of {name}", told.stderr

    def written(*args: object, to: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What a command says, and what it writes into files of all kinds at once."""
        files = [root / name for name in to]
        yield from run(*args, *(part for file in files for part in ("-o", file)))
        yield from (
            (f"{args[0]} {file.name}".replace(str(root), ""), file.read_text()) for file in files
        )

    names = [f"before{suffix}" for suffix in SUFFIXES]
    yield from written(incident, *options, "-v", "--color", "always", to=names)
    other = ("--format", "github", "--ignore", "abnormal-close")
    yield from written(incident, *options, *other, to=["after.json"])
    reports = [root / name for name in ("before.json", "after.json")]
    told = msgspec.json.decode(reports[0].read_bytes(), type=Report)
    for place in PLACES:
        yield f"--fit {place}", reporters.fit(told, place)
    for form in ("terminal", "markdown", "json"):
        yield from run("diff", *reports, "--format", form)
    for form in EVENT_FORMATS[:2]:
        yield from run("events", incident, *options, "--format", form)
    for form in ("terminal", "json"):
        yield from run("connections", incident, *options, "--format", form)
    yield from run("timeline", told.connections[0].session, incident, *options)
    for item in {it.format: it for it in told.inputs}.values():
        yield from run("show", pointer(item.source, 1, item.format), incident, "-C", 1000)
    names = [f"review{suffix}" for suffix in (".txt", ".md", ".html", ".json")]
    yield from written("review", incident, *options, to=names)
    yield from run("bundle", incident, *options, "-o", root / "case.zip")
    with zipfile.ZipFile(root / "case.zip") as archive:
        for name in archive.namelist():
            yield f"bundle, {name}", f"{name}\n{archive.read(name).decode('utf-8', 'replace')}"
    yield from run("batch", root / "root", *options, "-o", root / "reports", "--jobs", 1)
    for path in (root / "reports").rglob("*.*"):
        if path.is_file():
            yield f"batch, {path.name}", path.read_text()
    for path in (incident / "mine.log", *sorted(incident.glob("[!a-z]*.log"))[:1]):
        yield from run("formats", "try", root / "formats" / "mine.toml", path)
        yield from run("formats", "new", "--from", path)
    yield from run("config", *options)


def leaks(secrets: list[Secret], text: str) -> list[tuple[Secret, str]]:
    """Which of the secrets, or pieces of them, a text holds, and where; also encoded for a URL."""
    low = text.lower()
    low += unquote(low) if "%" in low else ""
    return [
        (secret, low[max(low.index(piece) - 80, 0) :][:160])
        for secret in secrets
        for piece in {
            secret.core[at : at + PIECE].lower() for at in range(0, len(secret.core), PIECE)
        }
        if len(piece) == PIECE and piece in low
    ]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a pattern of one's own to hide."""
    (tmp_path / "wsdiag.toml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def laid_down(room: Path, files: dict[str, bytes]) -> Path:
    root = Path(tempfile.mkdtemp(dir=room))
    plant.write(root / "root" / "incident", files)
    plant.write(root / "formats", {"mine.toml": FORMAT.encode()})
    return root


@pytest.mark.slow
@settings(
    max_examples=1,  # with more than a hundred and fifty secrets
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 10**9))
def test_no_command_tells_a_secret(room: Path, seed: int) -> None:
    files, secrets = evidence(random.Random(seed))
    root = laid_down(room, files)
    told = [
        (secret.rule, secret.text, where, around)
        for where, text in said(root)
        for secret, around in leaks(secrets, text)
    ]
    shutil.rmtree(root)
    assert not told, "\n".join(map(repr, told[:20]))


# -- text that would act --------------------------------------------------------------------------

SGR = re.compile(r"\x1b\[[0-9;]*m")
COMMANDS = re.compile(r"^\s*::\w|##\w*\[", re.MULTILINE)
"""What a CI runner obeys: at the beginning of a line, or of Azure anywhere."""

ACTING = (
    "=cmd|'/c calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "::error title=owned::owned",
    "::stop-commands::x",
    "::ADD-MASK::x",
    "##[error]owned",
    "##vso[task.setvariable variable=x]y",
)


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What every command says about hostile evidence."""
    lines = [
        f'time=2026-03-04T10:00:0{i}Z msg="websocket closed" code=101{i} reason="{text}"'
        for i, text in enumerate(ACTING)
    ]
    messages = [{"type": text, "topic": text, "id": text} for text in ACTING]
    chat = craft.Wire().handshake()
    for message in messages:
        chat.send(craft.C2S, craft.frame(1, json.dumps(message).encode(), side=craft.C2S))
    files = {
        **plant.hostile_files(),
        "acting.log": "\n".join(lines).encode(),
        "acting.pcap": chat.pcap(),
        "mine.log": "\n".join(
            f'EVT 2026-03-04T10:00:0{i}Z {word} who={text.split()[0]} why="{text}" {text}'
            for i, text in enumerate(ACTING)
            for word in ("gone", "lost")
        ).encode(),
    }
    for text in ("::error::owned", "##vso[x]y", "=1+1"):
        files[f"{text}.log"] = b"2026-03-04 10:00:03 WebSocket closed: code 1011\n"
    root = tmp_path_factory.mktemp("acted")
    plant.write(root / "root" / "incident", files)
    plant.write(root / "formats", {"mine.toml": FORMAT.encode()})
    return dict(said(root))


def told_by(acted: dict[str, str], *ends: str) -> dict[str, str]:
    """What was said or written under names with such an end; not what a writing command says."""
    found = {
        name: text
        for name, text in acted.items()
        if name.endswith(ends) and " -o " not in name and not name.startswith("stderr")
    }
    assert found, ends
    return found


def test_no_terminal_obeys(acted: dict[str, str]) -> None:
    for where, text in acted.items():
        if "wire.pcap" in where or "acting.pcap" in where:
            continue  # a capture in a bundle
        plain = SGR.sub("", text) if "--color always" in where else text
        odd = {sign for sign in plain if unicodedata.category(sign)[0] == "C"} - {"\n"}
        assert not odd, (where, odd)


def test_no_ci_runner_obeys(acted: dict[str, str]) -> None:
    for where, text in acted.items():
        told = SGR.sub("", text)
        if "--format github" in where and not where.startswith("stderr"):
            lines = told.splitlines()
            assert all(re.match(r"::(?:error|warning|notice) [^:]*::", line) for line in lines)
            told = "\n".join(line.split("::", 2)[2] for line in lines)
        assert not COMMANDS.search(told), (where, COMMANDS.search(told))


def test_no_spreadsheet_calculates(acted: dict[str, str]) -> None:
    (table,) = told_by(acted, "--format csv").values()
    rows = list(csv.DictReader(io.StringIO(table)))
    texts = {row[name] for row in rows for name in ("reason", "name", "topic", "trace", "source")}
    assert "'=cmd|'/c calc'!A0" in texts
    assert not [text for text in texts if re.match(r"[=+@-].", text)]


class Page(HTMLParser):
    """What would act in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.acting = 0, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag in ("img", "iframe", "object", "embed", "link", "base"):
            self.acting.append(tag)
        for name, value in attrs:
            outside = name in ("href", "src", "action") and not (value or "").startswith(
                ("#", "./")
            )
            if name.startswith("on") or outside:
                self.acting.append(f"{tag} {name}={value}")


def test_no_page_runs_anything_else(acted: dict[str, str]) -> None:
    pages = told_by(acted, ".html")
    assert len(pages) >= 3
    for where, text in pages.items():
        page = Page()
        page.feed(text)
        own = "index" not in where and "review" not in where
        assert page.scripts == own, where
        assert page.acting == [], where


def test_no_ticket_shows_markup(acted: dict[str, str]) -> None:
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    pages = told_by(acted, "--format markdown", ".md")
    assert len(pages) >= 4
    for where, text in pages.items():
        tokens = [it for block in parser.parse(text) for it in [block, *(block.children or ())]]
        links = [str(it.attrGet("href")) for it in tokens if it.type == "link_open"]
        assert all(link.startswith("./incident/report.") for link in links), where
        assert not {"html_inline", "image"} & {it.type for it in tokens}, where


def test_junit_is_whole(acted: dict[str, str]) -> None:
    (text,) = told_by(acted, ".xml").values()
    assert ElementTree.fromstring(text).tag == "testsuites"
