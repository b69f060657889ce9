"""Every kind of path is read or named with its reason; nothing stops the others."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import random
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import pytest
import zstandard

from wsdiag.evidence import InputFile, archives, collect, lines, spool

TEXT = b"".join(b"line %d\n" % n for n in range(1, 2001))
NOISE = random.Random(7).randbytes(400_000)


def found(*paths: object) -> tuple[dict[str, bytes], dict[str, tuple[str, ...]], list[str]]:
    """Contents and remarks by name, and the problems."""
    with collect([str(path) for path in paths]) as result:
        contents = {item.name: item.path.read_bytes() for item in result.inputs}
        remarks = {item.name: item.remarks for item in result.inputs}
        assert len(contents) == len(result.inputs), "names must differ"
        return contents, remarks, result.problems


def put(path: Path, content: bytes = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_folder_is_read_whole_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.log", "sub/deep/a.log", ".hidden", ".git/config", "sub/.x/y.log"):
        put(tmp_path / name)
    contents, _, problems = found(tmp_path)
    assert list(contents) == ["b.log", "sub/deep/a.log"]
    assert problems == []


def test_globs_and_names_that_look_like_globs(tmp_path: Path) -> None:
    put(tmp_path / "a.log")
    put(tmp_path / "app[1].log", b"odd")
    put(tmp_path / "x" / "b.log")
    assert list(found(tmp_path / "app[1].log")[0]) == ["app[1].log"]
    assert set(found(tmp_path / "*.log")[0]) == {"a.log", "app[1].log"}
    assert set(found(tmp_path / "**" / "*.log")[0]) == {"a.log", "app[1].log", "b.log"}
    assert set(found(tmp_path / "[x]")[0]) == {"b.log"}


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    put(tmp_path / "a.log")
    contents, _, problems = found(tmp_path / "none.log", empty, "a\0b", tmp_path / "a.log")
    assert list(contents) == ["a.log"]
    assert len(problems) == 3
    assert problems[0].endswith("none.log: no such file or folder")
    assert problems[1].endswith("empty: the folder holds no files")


def test_an_empty_file_is_an_input(tmp_path: Path) -> None:
    assert found(put(tmp_path / "a.log", b""))[0] == {"a.log": b""}


def test_the_same_file_is_read_once(tmp_path: Path) -> None:
    log = put(tmp_path / "a.log")
    (tmp_path / "link.log").symlink_to(log)
    assert list(
        found(log, log, tmp_path, tmp_path / "*.log", tmp_path / ".." / log.parent.name)[0]
    ) == ["a.log"]


def test_one_name_in_two_folders(tmp_path: Path) -> None:
    one, two = put(tmp_path / "web1" / "server.log"), put(tmp_path / "web2" / "server.log", b"2")
    assert set(found(one, two)[0]) == {"web1/server.log", "web2/server.log"}
    assert set(found(one.parent, two.parent)[0]) == {"web1/server.log", "web2/server.log"}
    deep = put(tmp_path / "b" / "web1" / "server.log", b"3")
    names = set(found(one, two, deep)[0])
    assert "web2/server.log" in names
    assert "b/web1/server.log" in names


def test_a_packed_and_a_plain_file_of_one_name(tmp_path: Path) -> None:
    put(tmp_path / "server.log", b"plain")
    put(tmp_path / "server.log.gz", gzip.compress(b"packed"))
    assert found(tmp_path)[0] == {"server.log": b"plain", "server.log~2": b"packed"}


def test_links_in_a_circle_and_to_nowhere(tmp_path: Path) -> None:
    put(tmp_path / "a.log")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "gone.log").symlink_to(tmp_path / "nothing")
    contents, _, problems = found(tmp_path)
    assert list(contents) == ["a.log"]
    assert [problem.rpartition(": ")[2] for problem in problems] == ["the link leads nowhere"] * 2


def test_special_files(tmp_path: Path) -> None:
    put(tmp_path / "a.log")
    os.mkfifo(tmp_path / "pipe")
    contents, _, problems = found(tmp_path, "/dev/zero")
    assert list(contents) == ["a.log"]
    assert problems == ["zero: a device, not evidence"]


def test_a_pipe_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe.log"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(gzip.compress(TEXT)))
    writer.start()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT)))
    contents, remarks, problems = found(pipe, "-", "-")
    writer.join()
    assert contents == {"pipe.log": TEXT, "stdin": TEXT}
    assert remarks == {"pipe.log": (), "stdin": ()}
    assert problems == []


PACKERS = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_files(tmp_path: Path, kind: str) -> None:
    packed = PACKERS[kind](TEXT) + PACKERS[kind](b"second member\n")
    path = put(tmp_path / f"server.log.{kind}", packed)
    with collect([str(path)]) as result:
        (item,) = result.inputs
        assert item.name == "server.log"
        assert item.path.read_bytes() == TEXT + b"second member\n"
        assert item.head() == item.path.read_bytes()
        assert (item.sha256, item.bytes) == (hashlib.sha256(packed).hexdigest(), len(packed))
        assert item.remarks == ()
        spooled = item.path
    assert not spooled.exists()


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("damage", ["cut", "garbage", "flip"])
def test_damaged_packed_files(tmp_path: Path, kind: str, damage: str) -> None:
    packed = PACKERS[kind](NOISE)
    half = len(packed) // 2
    broken = {
        "cut": packed[:half],
        "garbage": packed + b"\x01garbage",
        "flip": packed[:half] + bytes([packed[half] ^ 255]) + packed[half + 1 :],
    }
    contents, remarks, problems = found(put(tmp_path / f"a.log.{kind}", broken[damage]))
    assert problems == []
    if damage != "flip":  # a flipped bit in stored data shows in the checksum at most
        assert remarks["a.log"][0].startswith("cut short, damaged")
        assert NOISE.startswith(contents["a.log"])
        assert len(contents["a.log"]) > len(NOISE) // 3


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_and_what_is_packed_in_it(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "logs.zip",
        {
            "a.log": TEXT,
            "sub/b.log.gz": gzip.compress(b"b"),
            "c.zst": PACKERS["zst"](b"c"),
            "__MACOSX/a.log": b"x",
            ".DS_Store": b"x",
            "folder/": b"",
        },
    )
    contents, _, problems = found(path)
    assert contents == {"logs.zip/a.log": TEXT, "logs.zip/sub/b.log": b"b", "logs.zip/c": b"c"}
    assert problems == []
    with collect([str(path)]) as result:
        assert {item.sha256 for item in result.inputs} == {
            hashlib.sha256(path.read_bytes()).hexdigest()
        }
        assert {item.bytes for item in result.inputs} == {path.stat().st_size}


def test_names_in_a_zip_never_lead_out(tmp_path: Path) -> None:
    odd = [
        "../../etc/passwd",
        "/etc/shadow",
        "C:\\x\\..\\y.log",
        "..\\..\\z",
        "a\x1b[31m\u202eb.log",
    ]
    path = zipped(tmp_path / "evil.zip", dict.fromkeys(odd, b"x"))
    with collect([str(path)]) as result:
        assert {item.name for item in result.inputs} == {
            "evil.zip/etc/passwd",
            "evil.zip/etc/shadow",
            "evil.zip/x/y.log",
            "evil.zip/z",
            "evil.zip/ab.log",
        }
        assert len({item.path.parent for item in result.inputs}) == 1


def test_encrypted_and_linked_members(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.log": TEXT, "b.log": b"b"})
    raw = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(magic) + offset] |= 1
    path.write_bytes(bytes(raw))
    link = zipfile.ZipInfo("link.log")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    contents, remarks, _ = found(path)
    assert contents == {"a.zip/a.log": b"", "a.zip/b.log": b"b"}
    assert "encrypted" in remarks["a.zip/a.log"][0]


@pytest.mark.parametrize("kind", ["cut", "empty"])
def test_a_zip_that_gives_nothing(tmp_path: Path, kind: str) -> None:
    path = zipped(tmp_path / "a.zip", {"a.log": NOISE} if kind == "cut" else {})
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    contents, _, problems = found(path, put(tmp_path / "b.log"))
    assert list(contents) == ["b.log"]
    assert problems[0].startswith("a.zip: the zip file ")


def tarred(members: dict[str, bytes], linked: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if linked:
            member = tarfile.TarInfo(linked)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["", *PACKERS])
def test_a_tar_and_what_is_packed_in_it(tmp_path: Path, kind: str) -> None:
    members = {"var/a.log": TEXT, "../b.log.gz": gzip.compress(b"b"), ".hidden": b"x"}
    packed = PACKERS.get(kind, bytes)(tarred(members, linked="var/link.log"))
    path = put(tmp_path / f"logs.tar.{kind}".rstrip("."), packed)
    contents, _, problems = found(path)
    assert contents == {"logs.tar/var/a.log": TEXT, "logs.tar/b.log": b"b"}
    assert problems == []


def test_a_log_that_holds_the_magic_of_tar_is_a_log(tmp_path: Path) -> None:
    log = TEXT.ljust(257, b".")[:257] + b"ustar\x00" + TEXT * 9
    contents, _, problems = found(put(tmp_path / "a.log", log))
    assert (contents, problems) == ({"a.log": log}, [])


def test_a_tar_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = tarred({"a.log": TEXT, "b.log": NOISE, "c.log": TEXT})
    packed = gzip.compress(whole)
    path = put(tmp_path / "logs.tar.gz", packed[: len(packed) // 2])
    contents, remarks, problems = found(path)
    assert contents["logs.tar/a.log"] == TEXT
    assert NOISE.startswith(contents["logs.tar/b.log"])
    assert remarks["logs.tar/b.log"][0].startswith("cut short, damaged")
    assert problems[0].startswith("logs.tar.gz: the tar file is cut short")


def test_an_empty_tar(tmp_path: Path) -> None:
    _, _, problems = found(put(tmp_path / "a.tar", tarred({".hidden": b"x"})))
    assert problems == ["a.tar: the tar file holds no files"]


def test_no_room_to_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: spool.Spool, copy: IO[bytes], chunks: Iterable[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool.Spool, "_fill", full)
    packed = put(tmp_path / "a.log.gz", gzip.compress(TEXT))
    contents, _, problems = found(packed, put(tmp_path / "b.log"))
    assert list(contents) == ["b.log"]
    assert problems[0].startswith("a.log.gz: no room to unpack it in ")
    assert "TMPDIR" in problems[0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_becomes_utf_8(tmp_path: Path, encoding: str) -> None:
    text = "2026-03-04 10:00:00 ws connected – ünïcode 𝄞\n" * 60_000
    contents, remarks, _ = found(put(tmp_path / "a.log", text.encode(encoding)))
    assert contents["a.log"].decode() == text
    assert remarks["a.log"] == ("UTF-16 text",)


def test_half_a_character_at_the_end_of_utf_16(tmp_path: Path) -> None:
    content = "ws closed code=1006\n".encode("utf-16") + b"w"
    contents, _, _ = found(put(tmp_path / "a.log", content))
    assert contents["a.log"].decode() == "ws closed code=1006\n\ufffd"


@pytest.mark.parametrize(
    "content", [bytes(64), b"\0\1" * 40, bytes(range(256)) * 4, TEXT, b"a\0b\0", b""]
)
def test_what_is_no_utf_16_stays(tmp_path: Path, content: bytes) -> None:
    contents, remarks, _ = found(put(tmp_path / "a.log", content))
    assert (contents["a.log"], remarks["a.log"]) == (content, ())


@pytest.mark.parametrize("kind", ["gz", "zst", "zip", "stdin"])
def test_bombs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(spool, "MAX_SPOOL_BYTES", 100_000)
    bomb = bytes(5_000_000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bomb)))
    if kind == "zip":
        path = zipped(tmp_path / "a.zip", {f"{n}.log": bomb for n in range(3)})
    else:
        path = put(tmp_path / f"a.{kind}", PACKERS[kind](bomb)) if kind in PACKERS else Path("-")
    contents, remarks, _ = found(path)
    assert sum(map(len, contents.values())) == 100_000
    assert all("exceeds 100000 bytes" in remark[0] for remark in remarks.values())


def test_a_zip_with_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    _, _, problems = found(zipped(tmp_path / "a.zip", dict.fromkeys("abc", b"x")))
    assert problems == ["a.zip: the zip file holds more than 2 files"]


def test_an_unreadable_file_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        put(tmp_path / f"{name}.log")
    real = Path.open

    def refusing(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == "b.log":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refusing)
    contents, _, problems = found(tmp_path)
    assert list(contents) == ["a.log", "c.log"]
    assert problems == ["b.log: Permission denied"]


def test_an_unreadable_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.log")
    put(tmp_path / "shut" / "b.log")
    real = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    contents, _, problems = found(tmp_path)
    assert list(contents) == ["a.log"]
    assert problems[0].endswith("shut: Permission denied")


def test_names_are_harmless_to_show(tmp_path: Path) -> None:
    put(tmp_path / "a\x1b[31m\u202e\nb.log")
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.log")))
    assert set(found(tmp_path)[0]) == {"a b.log", ".log"}
    assert "\x1b" not in found(str(tmp_path / "\x1b[31m"))[2][0]


def as_input(path: Path) -> InputFile:
    return InputFile(name=path.name, path=path, sha256="", bytes=0)


def test_lines(tmp_path: Path) -> None:
    item = as_input(put(tmp_path / "a.log", b"one\r\ntwo\n\nfo\xffur\nlast"))
    assert lines(item, [1, 4]) == {1: "one", 4: "fo\ufffdur"}
    assert lines(item, [5], context=1) == {4: "fo\ufffdur", 5: "last"}
    assert lines(item, [1], context=1) == {1: "one", 2: "two"}
    assert lines(item, [99, -3, 0]) == {}
    assert lines(item, []) == {}


def test_a_huge_line_is_cut_and_the_next_ones_are_found(tmp_path: Path) -> None:
    item = as_input(put(tmp_path / "a.log", b"x" * 3_500_000 + b"\nnext\n"))
    got = lines(item, [1, 2])
    assert len(got[1]) == 1024 * 1024
    assert got[2] == "next"


def test_lines_far_from_one_another(tmp_path: Path) -> None:
    item = as_input(put(tmp_path / "a.log", b"".join(b"%d\n" % n for n in range(1, 400_001))))
    places = [1, 2, 150_000, 399_999, 400_000, 400_001]
    assert lines(item, places) == {place: str(place) for place in places[:-1]}


def test_a_path_may_be_one_or_several_text_or_path(tmp_path: Path) -> None:
    one = tmp_path / "one.log"
    one.write_bytes(TEXT)
    for paths in (one, str(one), [one], [str(one)]):
        with collect(paths) as result:
            assert [item.name for item in result.inputs] == ["one.log"]
            assert result.problems == []
