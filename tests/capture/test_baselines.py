"""What Zeek and Suricata say of public captures, against what is read here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from test_corpus import CORPUS, heard

from wsdiag.capture.http.handshake import broken_rules
from wsdiag.capture.http.http1 import Response
from wsdiag.capture.websocket.protocol import NAMES, Frame

ZEEK, SURICATA = CORPUS / "pcap" / "zeek", CORPUS / "pcap" / "suricata-verify"
EXPECTED = ZEEK / "expected"

pytestmark = pytest.mark.skipif(
    not EXPECTED.is_dir(), reason="the public captures are not beside the checkout"
)

LOGGED = {
    "http.101-switching-protocols": "websocket.pcap",
    "websocket.jupyter-websocket": "jupyter-websocket.pcap",
    "websocket.key-accept-wrong": "wrong-accept-header.pcap",
    "websocket.wstunnel-http": "wstunnel-http.pcap",
}


@cache
def said(path: Path) -> tuple[Response, list[Frame]]:
    """The only 101 of a capture, and its frames."""
    facts, _ = heard(path)
    (opened,) = (fact for fact in facts if isinstance(fact, Response) and fact.status == 101)
    return opened, [fact for fact in facts if isinstance(fact, Frame)]


def zeek_log(test: str, name: str) -> Iterator[dict[str, str]]:
    """The rows of a log of Zeek, with or without its head of comments."""
    lines = (EXPECTED / f"scripts.base.protocols.{test}" / name).read_text().splitlines()
    names = next((line.split("\t")[1:] for line in lines if line.startswith("#fields")), None)
    for line in lines:
        if not line.startswith("#"):
            cells = line.split("\t")
            if names is None:
                names = cells
            else:
                yield dict(zip(names, cells, strict=False))


@pytest.mark.parametrize(("test", "capture"), LOGGED.items(), ids=list(LOGGED))
def test_the_handshakes_that_zeek_logs(test: str, capture: str) -> None:
    """`websocket.log`: host, target and what both sides named.

    Zeek lists what a side named as a set with "-" for none, and cuts the parameters off extensions;
    its log has no close code, and no status.
    """
    (logged,) = zeek_log(test, "websocket.log")
    answer, _ = said(ZEEK / capture)
    asked, given = answer.request.headers, answer.headers
    assert (asked["host"], answer.request.target) == (logged["host"], logged["uri"])
    for column, headers, header in (
        ("subprotocol", given, "protocol"),
        ("client_protocols", asked, "protocol"),
        ("server_extensions", given, "extensions"),
        ("client_extensions", asked, "extensions"),
    ):
        theirs = set(re.split(r"[,;]\s*", logged[column])) - {"-"}
        ours = set(re.split(r"[,;]\s*", headers.get(f"sec-websocket-{header}", ""))) - {""}
        assert theirs == ours, column


def test_the_frames_that_zeek_sees_behind_the_answer() -> None:
    """`websocket_frame` and `websocket_close`, in order, of a ping in the segment of the 101.

    Zeek also finds this weird ("protocol_data_with_HTTP_upgrade_reply"): RFC 6455 section 4.2.2
    allows the server to send as soon as it has sent its answer, so it is no violation here.
    """
    path = EXPECTED / "scripts.base.protocols.websocket.coalesced-reply-ping" / "out-coalesced"
    _, frames = said(ZEEK / "reply-ping-coalesced.pcap")
    theirs = re.findall(
        r"^websocket_frame, \w+, (T|F), fin, (T|F), rsv, (\d), opcode, (\w+), payload_len, (\d+)",
        path.read_text(),
        re.MULTILINE,
    )
    ours = [
        (
            "TF"[frame.side],
            "FT"[frame.fin],
            str(frame.rsv),
            NAMES[frame.opcode].lower(),
            str(frame.size),
        )
        for frame in frames
    ]
    assert ours == theirs
    closes = re.findall(r"^websocket_close, \w+, (?:T|F), status, (\d+)", path.read_text(), re.M)
    assert [str(frame.code) for frame in frames if frame.opcode == 8] == closes


def test_a_close_that_zeek_finds_too_large() -> None:
    """Zeek says "websocket_control_frame_size_exceeded" and, by default, cuts the reason after 123
    bytes; that is what a Close frame may hold, and where an event's reason ends.
    """
    (weird,) = zeek_log("websocket.close-too-large", "weird-pac.log")
    _, (frame,) = said(ZEEK / "oversized-close-frame.pcapng")
    assert weird["addl"] == f"{frame.size} > 125"
    assert "control frame longer than 125 bytes" in frame.violations
    uncapped = EXPECTED / "scripts.base.protocols.websocket.close-too-large" / "out-pac-uncapped"
    assert f"Close length: {len(frame.payload or b'') - 2}" in uncapped.read_text()


def test_an_accept_that_zeek_finds_wrong() -> None:
    """Zeek names the header that it expected; here it is one rule of RFC 6455 that is broken."""
    (weird,) = zeek_log("websocket.key-accept-wrong", "weird.log")
    answer, _ = said(ZEEK / "wrong-accept-header.pcap")
    assert weird["name"] == "websocket_wrong_accept_header"
    assert weird["addl"].endswith(f"found={answer.headers['sec-websocket-accept']}")
    assert broken_rules(answer) == ["Sec-WebSocket-Accept does not match the key"]


@pytest.mark.parametrize("capture", [name for name in LOGGED.values() if "wrong" not in name])
def test_handshakes_that_zeek_finds_in_order(capture: str) -> None:
    """Zeek has no `weird.log` for these."""
    assert broken_rules(said(ZEEK / capture)[0]) == []


def test_the_frames_that_suricata_logs() -> None:
    """Suricata tells the mask of each frame; here a frame only says that it was masked.

    Its counts of alerts are those of rules that do not stand beside the captures.
    """
    wanted = (SURICATA / "websocket" / "test.yaml").read_text()
    assert "websocket.mask: 3803616749" in wanted
    _, frames = said(SURICATA / "websocket" / "basic_websockets.pcap")
    assert any(frame.masked and frame.opcode == 1 for frame in frames)
    mask = (3_803_616_749).to_bytes(4)
    assert (SURICATA / "websocket" / "basic_websockets.pcap").read_bytes().count(mask) == 1


def test_a_control_frame_between_fragments_as_suricata_reads_it() -> None:
    """Suricata's rule finds the message once, whole; so the ping between its parts is no part."""
    _, frames = said(SURICATA / "websocket-control-frag" / "input.pcap")
    assert [frame.opcode for frame in frames if frame.opcode < 8] == [1, 0]
    assert not any(frame.violations for frame in frames)
