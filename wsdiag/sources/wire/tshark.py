"""Wireshark's tshark: what is inside TLS, for those who have the keys.

tshark only takes TLS off; what is inside is read as in a capture in clear. Segments out of order
have to be put in order explicitly: by default it invents frames and close codes where they are not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

OLDEST = (3, 2)
"""The first that knows both the preference for segments out of order and keys inside a pcapng."""

INSTALL = (
    "apt install tshark (Debian, Ubuntu), dnf install wireshark-cli (Fedora) or "
    "brew install wireshark (macOS)"
)
_ORDER = "tcp.reassemble_out_of_order:TRUE"
_ABOVE = ("http", "http2", "websocket")  # what would take the bytes before they are told
_WANTED, _CLOSE_NOTIFY = "tls && (data || tls.alert_message.desc == 0)", "0"
_WAIT_S = 20


class Unusable(Exception):  # noqa: N818 – a state of this machine, told to the user
    """tshark is missing or too old; the text is one sentence with the remedy."""


def found() -> str:
    """Where tshark is. Raises `Unusable`."""
    path = shutil.which("tshark")
    if path is None:
        raise Unusable(f"tshark is not installed: {INSTALL}")
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_WAIT_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    version = re.search(r"(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise Unusable(f"tshark is older than {wanted} or does not run: {INSTALL}")
    return path


def opened(path: Path, ports: Sequence[int]) -> Iterator[tuple[int, bytes, bool]]:
    """What TLS carries in a capture that holds its keys.

    Gives the packet's number, bytes, and whether it says that its side is done (close_notify).

    `ports` are those that servers take TLS on. Raises `Unusable`.
    """
    command = [found(), "-n", "-r", str(path), "-o", _ORDER, "-Y", _WANTED, "-T", "fields"]
    command += ["-E", "occurrence=a", "-E", "aggregator=,", "-e", "frame.number"]
    command += ["-e", "data.data", "-e", "tls.alert_message.desc"]
    for name in _ABOVE:
        command += ["--disable-protocol", name]
    for port in ports:
        command += ["-d", f"tcp.port=={port},tls"]
    # The user's own settings would change what is told.
    with TemporaryDirectory(prefix="wsdiag-") as settings:
        environment = {**os.environ, "WIRESHARK_CONFIG_DIR": settings}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as run:
            assert run.stdout
            for line in run.stdout:
                number, texts, alerts = line.decode("ascii", "replace").rstrip("\r\n").split("\t")
                data = bytes.fromhex(texts.replace(",", "").replace(":", ""))
                yield int(number), data, _CLOSE_NOTIFY in alerts.split(",")
