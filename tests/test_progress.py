"""How far the reading is, and what is reported when it is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdiag import pipeline
from wsdiag.cli.progress import line
from wsdiag.progress import Progress, current, watched
from wsdiag.sources.blocks import line_blocks

UPGRADE = (
    '10.0.0.{} - - [04/Mar/2026:10:00:{:02} +0000] "GET /ws HTTP/1.1" 101 10 "-" "Mozilla/5.0"\n'
)


def far(read: int, total: int, name: str = "wire.pcap") -> Progress:
    progress = Progress()
    progress.total = total
    progress.begin(name)
    progress.goes_on(read)
    return progress


@pytest.mark.parametrize(
    ("progress", "seconds", "said"),
    [
        (Progress(), 2.0, "finding the evidence"),
        (far(0, 5_000_000), 0.0, "reading wire.pcap: 0 B of 5 MB"),
        (
            far(400_000_000, 1_200_000_000),
            2.0,
            "reading wire.pcap: 400 MB of 1.20 GB, 200 MB/s, 4 s left",
        ),
        (
            far(1_000_000, 1_000_000_000),
            1.0,
            "reading wire.pcap: 1 MB of 1.00 GB, 1 MB/s, 16 min 39 s left",
        ),
        (far(7_000, 7_000, ""), 2.0, "judging 7 KB of evidence"),
    ],
)
def test_the_line(progress: Progress, seconds: float, said: str) -> None:
    assert line(progress, seconds) == said


def test_nobody_has_to_look() -> None:
    assert current().goes_on(7)
    progress = Progress()
    with watched(progress):
        assert current() is progress
    assert current() is not progress


class Impatient(Progress):
    """Someone who has enough after the first piece."""

    def goes_on(self, at: int) -> bool:
        self.stopped = True
        return super().goes_on(at)


def test_what_was_read_so_far_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", 1_000)
    text = "".join(UPGRADE.format(n % 200, n // 100) for n in range(1_000))
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text(text)
    with watched(Impatient()) as progress:
        report = pipeline.diagnose([str(tmp_path)])
    first, second = report.inputs
    assert first.remarks[-1] == "interrupted: 1% of it was read"
    assert 0 < first.events < 100
    assert (second.format, second.events) == ("unknown", 0)
    assert second.remarks == ["interrupted before it was read"]
    assert 0 < progress.read < progress.total == 2 * len(text)
