"""Nothing secret and nothing hostile leaves, by whatever way in and whatever way out."""

from __future__ import annotations

import importlib
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import plant
import polars as pl
import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from wsdiag import redact
from wsdiag.cli import main
from wsdiag.event import EVENTS

pipeline = importlib.import_module("wsdiag.pipeline")

MARKED = re.compile(r"\[(?:token|user|session|ip)-[0-9a-f]{8}\]")


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="wsdiag")


class Outputs(NamedTuple):
    """Everything that wsdiag says about a folder, by the way it was said."""

    texts: dict[str, str]
    report: dict[str, Any]
    folder: Path


def everything_said(folder: Path, out: Path) -> Outputs:
    files = {kind: out / f"report.{kind}" for kind in ("md", "json", "txt")}
    told = [option for file in files.values() for option in ("-o", file)]
    texts: dict[str, str] = {}

    def keep(name: str, result: Result) -> None:
        assert result.exit_code in (0, 1, 3, 4), (name, result.output, result.exception)
        texts[f"{name}, stdout"] = result.stdout_bytes.decode("utf-8", "replace")
        texts[f"{name}, stderr"] = result.stderr

    keep("coloured", run(folder, "-v", "--color", "always", *told))
    keep("plain", run(folder, "--color", "never"))
    keep("strict", run(folder, "--strict", "--format", "json"))
    keep("markdown", run(folder, "--format", "markdown"))
    for kind, file in files.items():
        texts[f"-o .{kind}"] = file.read_text()
    for form in ("jsonl", "csv"):
        keep(f"events {form}", run("events", folder, "--format", form))
    table = pl.read_parquet(io.BytesIO(run("events", folder, "--format", "parquet").stdout_bytes))
    texts["events parquet"] = table.write_ndjson()
    report = json.loads(files["json"].read_text())
    for item in report["inputs"]:
        if item["format"] != "unreadable":
            mark = "#" if item["format"] in ("pcap", "har") else ":"
            pointer = f"{item['source']}{mark}1"
            keep(f"show {pointer} and all around", run("show", pointer, folder, "-C", 1000))
    for pointer in sorted(pointers(report)):
        keep(f"show {pointer}", run("show", pointer, folder, "-C", 0))
    return Outputs(texts, report, folder)


def pointers(report: dict[str, Any]) -> set[str]:
    formats = {item["source"]: item["format"] for item in report["inputs"]}
    proofs = [proof for finding in report["findings"] for proof in finding["evidence"]]
    marks = {name: "#" if form in ("pcap", "har") else ":" for name, form in formats.items()}
    return {f"{proof['source']}{marks[proof['source']]}{proof['pos']}" for proof in proofs}


def strings(value: object) -> Iterator[str]:
    """Every text in decoded JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, held in value.items():
            yield key
            yield from strings(held)
    elif isinstance(value, list):
        for held in value:
            yield from strings(held)


# -- secrets --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    root = tmp_path_factory.mktemp("secrets")
    return everything_said(plant.write(root / "incident", plant.secrets()), root)


def test_there_is_something_to_find() -> None:
    plain = {name: data for name, data in plant.secrets().items() if not name.endswith("zip")}
    assert plant.planted_in(plain.values()) >= {
        *("opaque token", "bearer token", "cookie", "API key", "session id", "password"),
        *("password of a URL", "Basic", "e-mail", "user", "query value", "jwt"),
    }
    assert plant.leaks(plant.JWT.split(".")[1][10:25]) == ["jwt's claims"]
    assert plant.leaks(plant.PASSWORD.encode().hex()) == ["password"]


def test_every_input_was_read(said: Outputs) -> None:
    events = {item["source"]: item["events"] for item in said.report["inputs"]}
    silent = {name for name, count in events.items() if not count}
    assert len(events) == len(plant.secrets()) + 1  # the zip holds two, the cut one none
    junk = f"[{redact.user(f'junk-{plant.EMAIL}')}].bin"
    assert silent == {"", junk}  # a problem has no source


def test_no_secret_is_said(said: Outputs) -> None:
    leaks = [
        f"{where}: {', '.join(found)}: {line.strip()[:300]}"
        for where, text in said.texts.items()
        for line in text.splitlines()
        if (found := plant.leaks(line))
    ]
    assert not leaks, "\n".join(leaks)


def test_a_ping_that_carries_a_secret(tmp_path: Path) -> None:
    """Its payload is `trace`, in hexadecimal: the pong's join."""
    wire = plant.craft.Wire().handshake()
    for opcode, side in ((9, plant.craft.S2C), (10, plant.craft.C2S)):
        payload = f"token={plant.OPAQUE}".encode()
        wire.send(side, plant.craft.frame(opcode, payload, side=side))
    plant.write(tmp_path, {"wire.pcap": wire.pcap()})
    told = run("events", tmp_path).stdout
    pings = [row for row in map(json.loads, told.splitlines()) if row["kind"] in ("ping", "pong")]
    assert len(pings) == 2
    assert pings[0]["trace"] == pings[1]["trace"]
    assert pings[0]["trace"]
    assert plant.leaks(told) == []


def test_a_policy_is_not_remembered(tmp_path: Path) -> None:
    """What was shown to the owner's eyes is hidden again in the next report of the same process."""
    log = f"2026-03-04 10:00:00 ws closed code=1006 reason=for {plant.EMAIL} conn=sid-1\n"
    plant.write(tmp_path, {"server.log": log.encode()})
    assert plant.leaks(run("events", tmp_path, "--no-redact", "--yes").stdout)
    assert plant.leaks(run("events", tmp_path).stdout) == []


@pytest.mark.parametrize(
    "words", ["Cookie: sid={}; theme=dark", "sid={}", "for Cookie: sid={}", "session_id={}"]
)
def test_a_cookie_is_no_name_of_a_connection(words: str, tmp_path: Path) -> None:
    record = {"time": "2026-03-04T10:00:02Z", "msg": "ws closed", "code": 4401}
    lines = [
        json.dumps({**record, "reason": words.format(plant.SESSION)}),
        f"2026-03-04 10:00:03 ws closed code=1006 {words.format(plant.SESSION)}",
    ]
    plant.write(tmp_path, {"app.log": "\n".join(lines).encode()})
    told = run("events", tmp_path).stdout
    assert plant.leaks(told) == []
    assert redact.session(plant.SESSION) in told


def test_one_secret_has_one_name_everywhere(said: Outputs) -> None:
    told = "\n".join(said.texts.values())
    for secret, name in (
        (plant.OPAQUE, redact.token(plant.OPAQUE)),
        (plant.JWT, redact.token(plant.JWT)),
        (plant.BEARER, redact.token(plant.BEARER)),
        (plant.API_KEY, redact.token(plant.API_KEY)),
        (plant.EMAIL, redact.user(plant.EMAIL)),
        (plant.SESSION, redact.session(plant.SESSION)),
    ):
        assert f"[{name}]" in told, secret
    # Each kind of evidence that carries the opaque token gives it the same name.
    name = redact.token(plant.OPAQUE)
    for source, data in plant.secrets().items():
        marked = f"show {source}#1 and" if source[-3:] in ("cap", "har") else f"show {source}:1 and"
        if plant.OPAQUE.encode() in data and f"{marked} all around, stdout" in said.texts:
            assert name in said.texts[f"{marked} all around, stdout"], source


def test_the_events_carry_pseudonyms_only(said: Outputs) -> None:
    rows = [json.loads(line) for line in said.texts["events jsonl, stdout"].splitlines()]
    assert set(rows[0]) == set(EVENTS)
    tokens = {row["token"] for row in rows if row["token"]}
    users = {row["user"] for row in rows if row["user"]}
    assert all(re.fullmatch(r"token-[0-9a-f]{8}", token) for token in tokens)
    assert all(re.fullmatch(r"user-[0-9a-f]{8}", user) for user in users)
    assert redact.token(plant.OPAQUE) in tokens
    assert {redact.user(plant.EMAIL), redact.user(plant.USER)} <= users
    assert {row["token"] for row in rows if row["source"] == "nginx-access.log"} & tokens


def test_the_name_of_a_file_can_be_shown_however_it_is_asked_for(said: Outputs) -> None:
    raw = run("show", f"export-{plant.EMAIL}.log:1", said.folder)
    masked = run("show", raw.stdout.split()[1], said.folder)
    assert raw.exit_code == masked.exit_code == 0
    assert raw.stdout == masked.stdout
    assert "connected to wss://" in raw.stdout


def test_the_ledger_counts(said: Outputs) -> None:
    ledger = said.report["redactions"]
    assert all(entry["count"] > 0 for entry in ledger)
    assert len({(entry["rule"], entry["source"]) for entry in ledger}) == len(ledger)
    sources = {item["source"] for item in said.report["inputs"]} | {"report"}
    assert {entry["source"] for entry in ledger} <= sources
    hidden = {entry["rule"]: entry["count"] for entry in ledger if entry["source"] == "report"}
    assert set(hidden) >= {"token", "user", "password", "cookie", "credentials", "query"}
    # What stands masked in the excerpts was counted; an excerpt is cut after it was masked.
    excerpts = {
        (proof["source"], proof["pos"]): proof["excerpt"]
        for finding in said.report["findings"]
        for proof in finding["evidence"]
    }
    shown = sum(len(MARKED.findall(text)) for text in excerpts.values())
    assert 0 < shown <= sum(hidden.values())


def test_the_ledger_of_one_line_is_exact(tmp_path: Path) -> None:
    """Two secrets in the excerpt of the one finding."""
    plant.write(tmp_path, {"server.log": b"2026-03-04 10:00:00 ws closed: code 1006 "
                           b"token=Zx8kQ2vW9pLm4Rt7 password=Pw0rdTr0ub4dorXy\n"})  # fmt: skip
    report = json.loads(run(tmp_path, "--format", "json").stdout)
    (proof,) = {json.dumps(p) for f in report["findings"] for p in f["evidence"]}
    assert json.loads(proof)["excerpt"].endswith("token=[token-08af6176] password=[password]")
    counted = {
        entry["rule"]: entry["count"]
        for entry in report["redactions"]
        if entry["source"] == "report"
    }
    assert counted == {"token": 1, "password": 1}


# -- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["{folder}/only-junk"], 3),
        (["{folder}/missing-{email}-token={token}.log"], 3),
        (["{folder}/*{email}.nothing"], 3),
        (["{folder}", "--strict"], 4),
        (["show", "{folder}/export-{email}.log:99999", "{folder}"], 3),
        (["show", "export-{email}.log:99999", "{folder}"], 3),
        (["show", "token={token}.log:2", "{folder}"], 3),
        (["show", "token={token}", "{folder}"], 3),
        (["events", "{folder}/only-junk"], 3),
        (["{folder}", "--since", "2100-01-01T00:00:00Z"], 3),
    ],
)
def test_an_error_message_tells_no_secret(said: Outputs, args: list[str], code: int) -> None:
    junk = said.folder.parent / "more" / "only-junk"
    plant.write(
        junk,
        {
            f"junk-{plant.EMAIL}.bin": bytes(range(256)),
            f"token={plant.OPAQUE}.log": b"nothing of interest: password="
            + plant.PASSWORD.encode(),
            f"{plant.EMAIL}.zip": b"PK\x03\x04",
        },
    )
    plant.write(junk.parent, {f"export-{plant.EMAIL}.log": plant.prose().encode(),
                              f"cut-{plant.EMAIL}.zip": b"PK\x03\x04"})  # fmt: skip
    words = {"folder": junk.parent, "email": plant.EMAIL, "token": plant.OPAQUE}
    result = run(*(arg.format(**words) for arg in args))
    assert result.exit_code == code, result.output
    assert result.stderr
    assert plant.leaks(result.stderr) == []
    assert "Traceback" not in result.output


def test_a_bad_configuration_tells_no_secret(
    said: Outputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (
        f'password = "{plant.PASSWORD}"\n',
        f'tz = ["{plant.OPAQUE}"]\n',
        f'tz = "{plant.OPAQUE}\n',
        f"[targets]\nconnect_ms = '{plant.PASSWORD}'\n",
    ):
        (tmp_path / "wsdiag.toml").write_text(text)
        result = run(said.folder)
        assert result.exit_code == 2
        assert "wsdiag.toml" in result.stderr
        assert plant.leaks(result.stderr) == []


def test_an_internal_error_tells_no_secret(said: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"token={plant.OPAQUE} of {plant.EMAIL}\x1b[31m")

    monkeypatch.setattr(pipeline, "diagnose", fail)
    result = run(said.folder)
    assert result.exit_code == 70
    assert "internal error" in result.stderr
    assert plant.leaks(result.stderr) == []
    assert "\x1b" not in result.stderr


# -- hostile text ---------------------------------------------------------------------------------

SGR = re.compile(r"\x1b\[[0-9;]*m")
"""Colours: what the coloured report itself may print."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    root = tmp_path_factory.mktemp("hostile")
    return everything_said(plant.write(root / "incident", plant.hostile_files()), root)


def test_the_hostile_evidence_is_cited(hostile: Outputs) -> None:
    events = {item["source"]: item["events"] for item in hostile.report["inputs"]}
    assert len(events) == len(plant.hostile_files())
    assert not [name for name, count in events.items() if not count and "junk" not in name]
    report = hostile.texts["-o .json"]
    for harmless in ("<script>", "[bold]", "![p", "`t"):
        assert harmless in report


def test_nothing_reaches_the_terminal_but_text_and_colours(hostile: Outputs) -> None:
    for where, text in hostile.texts.items():
        plain = SGR.sub("", text) if where.startswith("coloured, stdout") else text
        odd = {sign for sign in plain if unicodedata.category(sign)[0] == "C"} - {"\n"}
        assert not odd, (where, odd)
        assert not {"\u2028", "\u2029"} & set(plain), where
        for line in text.splitlines():
            assert "\x1b[31mred" not in line, where


def test_decoded_json_is_harmless_too(hostile: Outputs) -> None:
    """A JSON report writes \\u001b, which a reader turns back into ESC."""
    said = list(strings(hostile.report))
    for line in hostile.texts["events jsonl, stdout"].splitlines():
        said += strings(json.loads(line))
    odd = {sign for text in said for sign in text if unicodedata.category(sign)[0] == "C"}
    assert odd <= {"\n"}


def test_hostile_names_are_one_line(hostile: Outputs) -> None:
    for item in hostile.report["inputs"]:
        assert "\n" not in item["path"] + item["source"]
    assert any("line end" in item["source"] for item in hostile.report["inputs"])


def test_rich_markup_is_text_in_the_terminal(hostile: Outputs) -> None:
    for where in ("coloured, stdout", "plain, stdout", "-o .txt"):
        plain = SGR.sub("", hostile.texts[where])
        assert "[bold]" in plain, where
        assert "owned" not in plain


FOLD = re.compile(r"(?:<details>\n<summary>[\w ,:-]+</summary>|</details>)\n?")
"""The only HTML in a Markdown report: our own words over what is folded."""


@pytest.mark.parametrize("where", ["-o .md", "markdown, stdout"])
def test_markdown_stays_inert(hostile: Outputs, where: str) -> None:
    text = hostile.texts[where]
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    tokens = [inner for block in parser.parse(text) for inner in [block, *(block.children or ())]]
    kinds = {token.type for token in tokens}
    assert "table_open" in kinds
    assert not kinds & {"html_inline", "image", "link_open"}
    assert all(FOLD.fullmatch(token.content) for token in tokens if token.type == "html_block")
    # Every row of a table has the cells of its head: no pipe of the evidence made one more.
    rendered = parser.render(text)
    for table in re.findall(r"<table>.*?</table>", rendered, re.DOTALL):
        counts = {len(re.findall(r"<t[hd]", row)) for row in table.split("<tr>")[1:]}
        assert len(counts) == 1
    # What could act stands in code only, where nothing does.
    bare = re.sub(r"<code.*?</code>", "", rendered, flags=re.DOTALL)
    for active in ("@everyone", "evil.example", "script", "onerror", "[bold]", "](", "`", "{{"):
        assert active not in bare, active


def test_the_markdown_test_can_fail() -> None:
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    tokens = parser.parse("x <script>a</script> ![p](https://evil.example/p)\n")
    kinds = {inner.type for token in tokens for inner in token.children or ()}
    assert {"html_inline", "image"} <= kinds
