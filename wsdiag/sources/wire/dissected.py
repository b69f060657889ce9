"""One packet in depth: what Wireshark's dissectors say of it, by pyshark, and how to find it there.

pyshark asks tshark, which needs the connection's packets before this one; they are cut out first,
so that the millionth packet takes no longer than the first. Told are the fields that say what
happened. Raw bytes, payloads, cookies and other credentials are not among them.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wsdiag.capture.packets.batches import batches
from wsdiag.capture.packets.cut import cut
from wsdiag.capture.packets.records import Notes
from wsdiag.capture.packets.segments import Endpoint, segment_of
from wsdiag.sources.wire import tshark

FIELDS: Mapping[str, tuple[str, ...]] = {
    "vlan": ("id", "priority"),
    "ip": ("src", "dst", "ttl", "dsfield", "flags", "id", "checksum_status"),
    "ipv6": ("src", "dst", "hlim", "tclass"),
    "tcp": (
        *("srcport", "dstport", "flags", "seq", "ack", "nxtseq", "len", "window_size"),
        *("options_mss_val", "options_wscale_shift", "options_sack_perm", "checksum_status"),
        *("time_relative", "time_delta", "analysis_initial_rtt", "analysis_ack_rtt"),
        *("analysis_bytes_in_flight", "analysis_retransmission", "analysis_fast_retransmission"),
        *("analysis_out_of_order", "analysis_duplicate_ack_num", "analysis_lost_segment"),
        *("analysis_zero_window", "analysis_window_update", "analysis_keep_alive", "analysis_rto"),
    ),
    "tls": (
        *("record_content_type", "record_version", "record_length", "handshake_type"),
        *("handshake_extensions_server_name", "handshake_extensions_alpn_str"),
        *("handshake_ciphersuite", "alert_message_level", "alert_message_desc"),
    ),
    "http": (
        *("request_method", "request_version", "response_code", "response_phrase", "host"),
        *("upgrade", "connection", "server", "user_agent"),
        *("sec_websocket_version", "sec_websocket_key", "sec_websocket_accept"),
        *("sec_websocket_protocol", "sec_websocket_extensions"),
    ),
    "websocket": (
        *("fin", "rsv", "opcode", "mask", "payload_length", "payload_length_ext_16"),
        *("payload_length_ext_64", "payload_close_status_code", "payload_close_reason"),
    ),
}
"""What is told of each layer, in tshark's names with their prefix taken off."""

_LINE_END = r"\r\n"  # as tshark writes it


def dissect(path: Path, pos: int, keys: bytes) -> list[str]:
    """Lines about the packet at `pos`: a heading for each layer, its fields, and a display filter.

    `keys` are a TLS key log; those inside the capture are found. Empty where the packet is not TCP.
    Where tshark cannot be used, that is the line. Raw: redact them.
    """
    notes = Notes()
    ends = _ends(path, pos, notes)
    if ends is None:
        return []
    ports = f"tcp.port == {ends[0].port} && tcp.port == {ends[1].port}"
    find = ["Wireshark", f"  this packet: frame.number == {pos}", f"  its connection: {ports}"]
    try:
        tshark.found()
        with _event_loop():
            return [*_layers(path, pos, ends, keys + notes.keys), *find]
    except (tshark.Unusable, ImportError) as problem:
        missing = problem if isinstance(problem, tshark.Unusable) else "pyshark is not installed"
        return [f"not dissected in depth: {missing}", *find]


def _ends(path: Path, pos: int, notes: Notes) -> tuple[Endpoint, Endpoint] | None:
    """Source and target of the packet at `pos`; `notes` takes what the capture says up to there."""
    with path.open("rb") as file:
        for batch in batches(file, notes):
            row = pos - int(batch.pos[0])
            if row < batch.pos.size:
                segment = segment_of(batch.record(row), Notes())
                return None if segment is None else (segment.src, segment.dst)
    return None


@contextmanager
def _event_loop() -> Iterator[None]:
    """A loop for pyshark, and afterwards a process that can start programs as before.

    pyshark takes the thread's loop, and binds the process's watcher of child processes to it for
    good; with that watcher nobody else could start a program by asyncio.
    """
    watch: Any = asyncio.set_child_watcher  # typed as if None, the default, were no watcher
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            watch(None)
        asyncio.set_event_loop(None)
        loop.close()


def _layers(path: Path, pos: int, ends: tuple[Endpoint, Endpoint], keys: bytes) -> Iterator[str]:
    import pyshark
    from pyshark.capture.capture import TSharkCrashException

    with TemporaryDirectory(prefix="wsdiag-") as folder:
        part = Path(folder) / "connection.pcapng"
        with path.open("rb") as file, part.open("wb") as out:
            places = cut([file], {ends: 0, ends[::-1]: 0}, keys, out, last=pos)
        number = places.pos.index(pos) + 1
        capture = pyshark.FileCapture(
            str(part),
            display_filter=f"frame.number == {number}",
            override_prefs={"tcp.reassemble_out_of_order": "TRUE"},
            custom_parameters=["-n"],
        )
        packets: list[Any] = []
        # What tshark told stands, however it ended: its status may be asyncio's guess, for a
        # process that was already waited for.
        try:
            with suppress(TSharkCrashException):
                packets.extend(capture)
        finally:
            with suppress(TSharkCrashException):
                capture.close()
            capture._running_processes.clear()  # one that failed would be closed, and fail, again
            capture.close()  # what reads tshark's stderr has ended, too
        for packet in packets:
            for layer in packet.layers:
                yield from _fields(layer)
        if not packets:
            yield "not dissected in depth: tshark gave up on this connection"


def _fields(layer: Any) -> Iterator[str]:
    wanted = FIELDS.get(layer.layer_name, ())
    told = [layer.get_field(name) for name in wanted]
    lines = [field.showname for field in told if field is not None and field.showname]
    if lines:
        yield layer.layer_name.upper()
        yield from (f"  {line.removesuffix(_LINE_END)}" for line in lines)
