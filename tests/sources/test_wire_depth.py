"""One packet in depth: tshark's fields by pyshark, without what must not be shown."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wsdiag.event import Kind
from wsdiag.pipeline import read_events
from wsdiag.showing import show
from wsdiag.sources.wire import dissected, tshark

FIXTURES = Path(__file__).parents[2] / "fixtures"
KILLED = FIXTURES / "kill-9" / "evidence" / "wire.pcap"
ENCRYPTED = FIXTURES / "encrypted-idle-cut" / "evidence" / "wire.pcapng"

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark not installed")


@needs_tshark
@pytest.mark.parametrize("capture", [KILLED, ENCRYPTED])
def test_layers_down_to_the_frame(capture: Path) -> None:
    """In TLS as well, where the capture holds the keys."""
    events = read_events(capture)
    ping = events.filter(events["kind"] == Kind.MESSAGE).row(5, named=True)
    lines = dissected.dissect(capture, ping["pos"], b"")
    assert {"IP", "TCP", "WEBSOCKET", "Wireshark"} <= set(lines)
    assert any("Opcode: Text (1)" in line for line in lines)
    ports = sorted(int(end.rpartition(":")[2]) for end in ping["conn"].split("-"))
    assert all(f"tcp.port == {port}" in lines[-1] for port in ports)
    assert lines[-2].endswith(f"frame.number == {ping['pos']}")


@needs_tshark
def test_others_can_start_programs_afterwards() -> None:
    dissected.dissect(KILLED, 30, b"")

    async def start() -> int:
        return await (await asyncio.create_subprocess_exec("true")).wait()

    assert asyncio.run(start()) == 0


@needs_tshark
def test_a_handshake_shows_no_path_and_no_credentials() -> None:
    events = read_events(KILLED)
    opened = events.filter(events["kind"] == Kind.OPEN).row(0, named=True)
    text = "\n".join(dissected.dissect(KILLED, opened["pos"], b""))
    assert "Status Code: 101" in text
    assert "Sec-WebSocket-Accept" in text
    assert r"\r\n" not in text


@needs_tshark
def test_every_field_is_one_that_tshark_knows() -> None:
    known = subprocess.run(
        ["tshark", "-G", "fields"], capture_output=True, text=True, check=True
    ).stdout
    names = {part for line in known.splitlines() for part in line.split("\t")[1:3]}
    told = {name.replace(".", "_").replace("-", "_") for name in names}
    for layer, fields in dissected.FIELDS.items():
        for field in fields:
            assert f"{layer}_{field}" in told


def test_without_tshark_the_filter_and_the_remedy_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise tshark.Unusable(f"tshark is not installed: {tshark.INSTALL}")

    monkeypatch.setattr(tshark, "found", missing)
    places, depth = show("wire.pcap#4", [KILLED])
    assert [place for place, _ in places] == ["wire.pcap#4"]
    assert depth[0].startswith("not dissected in depth: tshark is not installed: apt install")
    assert "frame.number == 4" in depth[2]


def test_what_is_no_packet_has_no_depth() -> None:
    assert show("client.log:1", [KILLED.parent]).depth == []


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a tshark in front that tells its version, else runs `work` and ends with a failure."""

    def put(work: str) -> None:
        shim = tmp_path / "tshark"
        version = f'case "$1" in -v|--version) exec {tshark.found()} "$@";; esac'
        shim.write_text(f"#!/bin/sh\n{version}\n{work}\nexit 255\n")
        shim.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return put


@needs_tshark
def test_a_tshark_that_gives_up_is_told(failing: Callable[[str], None]) -> None:
    failing("echo out of memory >&2")
    lines = dissected.dissect(KILLED, 4, b"")
    assert lines[0] == "not dissected in depth: tshark gave up on this connection"
    assert "frame.number == 4" in lines[2]


@needs_tshark
def test_what_a_tshark_told_before_it_failed_is_shown(failing: Callable[[str], None]) -> None:
    whole = dissected.dissect(KILLED, 4, b"")
    failing(f'{tshark.found()} "$@"')
    assert dissected.dissect(KILLED, 4, b"") == whole
