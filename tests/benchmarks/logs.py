"""How fast logs are read, beside other programs: `python tests/benchmarks/logs.py [MEGABYTES]`.

Writes an nginx access log, a transcript of a `websockets` server and an application's own log, in
each of which nearly every line is an event, and a thousand small files, runs wsdiag and its peers
on the same files one after the other, and prints seconds (wall and CPU), the peak of memory, and
how wall and CPU time compare with wsdiag's. Peers are lnav, goaccess and duckdb where they are
installed, and plain Python loops. Of duckdb and of the loops there are two: one that only counts,
and one that keeps of each line what wsdiag reads of it.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

WSDIAG = [sys.executable, "-m", "wsdiag"]
QUIET = ["--format", "json", "--no-progress", "--fail-on", "never"]
COMBINED = r'^(\S+) \S+ (\S+) \[([^\]]+)\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)"'
SMALL_FILES, SMALL_LINES = 1000, 20

LOOP = """
import collections, re, sys
line_of, seen = re.compile(sys.argv[1]).match, collections.Counter()
with open(sys.argv[2], encoding="utf-8", errors="replace") as file:
    for line in file:
        found = line_of(line)
        if found:
            seen[found.groups()[-1][:9]] += 1
print(len(seen))
"""
WEBSOCKETS = r"^(\S+ \S+) (\w+) +websockets\.server ([<>=x%]? ?\w+)(.*)$"
LOOP_OF_EVENTS = r"""
import datetime, re, sys
line_of = re.compile(sys.argv[1]).match
size_of = re.compile(r"\[(?:binary, |text, )?(\d+) bytes?\]$").search
rows = []
with open(sys.argv[2], encoding="utf-8", errors="replace") as file:
    for place, line in enumerate(file, 1):
        found = line_of(line)
        if found:
            at, _, what, said = found.groups()
            at = datetime.datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f")
            mark, _, kind = what.partition(" ")
            size = size_of(said)
            rows.append((at, place, mark, kind.lower(), int(size[1]) if size else None))
print(len(rows))
"""
APPLICATION = (
    r"^(\S+ \S+) (\w+) +\[(\S+)\] conn=(\w+) ((?:[<>] )?\w+(?: [a-z]+(?= |$))?)"
    r"(?: code=(\d+))?.*?(?:(?:latency|handshake|duration)=([\d.]+)m?s.*)?$"
)
LOOP_OF_SENTENCES = r"""
import datetime, re, sys
line_of = re.compile(sys.argv[1]).match
rows = []
with open(sys.argv[2], encoding="utf-8", errors="replace") as file:
    for place, line in enumerate(file, 1):
        found = line_of(line)
        if found:
            at, _, _, conn, what, code, took = found.groups()
            at = datetime.datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f")
            code, took = int(code) if code else None, float(took) if took else None
            rows.append((at, place, conn, what, code, took))
print(len(rows))
"""
READ_CSV = """
import duckdb, sys
lines = f'''read_csv('{sys.argv[1]}', delim=' ', quote='"', escape='\\\\', header=false,
    all_varchar=false, sample_size=2000, null_padding=true, ignore_errors=true)'''
"""
DUCKDB = f"""{READ_CSV}
print(duckdb.sql(f'SELECT column6, count(*), sum(column7) FROM {{lines}} GROUP BY ALL').fetchall())
"""
DUCKDB_COLUMNS = f"""{READ_CSV}
duckdb.sql(f'''CREATE TABLE seen AS SELECT column0 AS client, column2 AS person,
    strptime(column3, '[%d/%b/%Y:%H:%M:%S') AS at, split_part(column5, ' ', 2) AS path,
    column6 AS status, column7 AS bytes FROM {{lines}}''')
print(duckdb.sql('SELECT status, count(*), sum(bytes) FROM seen GROUP BY ALL').fetchall())
"""
HEAD = (
    f"{'':14} {'wall s':>8} {'CPU s':>8} {'MB/CPU-s':>9} {'peak MB':>8}"
    f" {'wall/ours':>10} {'CPU/ours':>9}"
)
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0"


class Took(NamedTuple):
    """What one run cost: seconds, seconds of processor, megabytes at the peak."""

    wall: float
    cpu: float
    peak: float


def nginx(chance: random.Random) -> Iterator[str]:
    """Lines of an access log of which one in five is the end of a WebSocket."""
    at = 1_772_618_400.0
    while True:
        at += chance.random() / 700
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
        client = f"10.{chance.randrange(99)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        if chance.random() < 0.2:
            target, status = f"/ws/rooms/{chance.randrange(500)}?v=2", 101
        else:
            target = chance.choice(["/", "/app.js", f"/api/rooms/{chance.randrange(9999)}"])
            status = chance.choice([200, 200, 200, 200, 304, 404])
        size = chance.randrange(100, 60_000)
        yield (
            f'{client} - - [{stamp}] "GET {target} HTTP/1.1" {status} {size}'
            f' "https://app.example.com/" "{AGENT}"\n'
        )


def websockets(chance: random.Random) -> Iterator[str]:
    """Lines of the library's log at level DEBUG, of one connection after the other."""
    at = 1_772_618_400.0
    head = [
        "= connection is CONNECTING",
        "< GET /ws HTTP/1.1",
        "> HTTP/1.1 101 Switching Protocols",
    ]
    tail = ["< CLOSE 1000 (OK) [2 bytes]", "> CLOSE 1000 (OK) [2 bytes]", "= connection is CLOSED"]
    while True:
        talk = []
        for _ in range(40):
            payload = " ".join(f"{chance.randrange(256):02x}" for _ in range(4))
            talk += [f"> PING {payload} [binary, 4 bytes]", f"< PONG {payload} [binary, 4 bytes]"]
            talk += [f"< TEXT '{chance.randrange(10**9)}' [{chance.randrange(9, 99)} bytes]"] * 3
        for said in [*head, "= connection is OPEN", *talk, *tail]:
            at += chance.random() / 900
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
            yield f"{stamp},{int(at * 1000) % 1000:03} DEBUG websockets.server {said}\n"


def application(chance: random.Random) -> Iterator[str]:
    """Lines of a server's own log, in prose with fields, of three thousand connections at once."""
    at, live = 1_772_618_400.0, [0] * 3000
    while True:
        at += chance.random() / 2000
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
        one, what = chance.randrange(len(live)), chance.random()
        said = f"< TEXT [{chance.randrange(40, 900)} bytes] latency={chance.random() * 60:.1f}ms"
        if not live[one]:
            live[one] = chance.randrange(1 << 44, 1 << 48)
            said = f"connection open user={one} handshake={chance.random() * 90:.1f}ms"
        elif what < 0.3:
            said = "sent ping"
        elif what < 0.5:
            said = f"received pong latency={chance.random() * 60:.1f}ms"
        elif what > 0.97:
            code = chance.choice([1000, 1001, 1006, 1011, 4401])
            said = f'connection closed code={code} reason="" duration={chance.random() * 99:.3f}s'
        conn = f"{live[one]:012x}"
        if said.startswith("connection closed"):
            live[one] = 0
        yield f"{stamp},{int(at * 1000) % 1000:03} INFO     [ws.hub] conn={conn} {said}\n"


def written(path: Path, lines: Iterator[str], size: int) -> Path:
    """A file of at least `size` bytes."""
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            file.writelines(next(lines) for _ in range(10_000))
    return path


def run(command: list[str], env: dict[str, str] | None = None) -> Took:
    """One run of a command, which must succeed."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{command[0]} failed: {process.stderr.read().decode()[-400:]}")  # type: ignore[union-attr]
    return Took(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def peers_of_nginx(path: Path, folder: Path) -> Iterator[tuple[str, Callable[[], Took]]]:
    sql = ";SELECT sc_status, count(*), sum(sc_bytes) FROM access_log GROUP BY sc_status"
    if shutil.which("lnav"):
        home = {"HOME": str(folder), "TERM": "xterm"}
        yield "lnav", lambda: run(["lnav", "-n", "-c", sql, str(path)], home)
    if shutil.which("goaccess"):
        out = str(folder / "goaccess.json")
        yield "goaccess", lambda: run(["goaccess", str(path), "--log-format=COMBINED", "-o", out])
    if find_spec("duckdb"):
        yield "duckdb", lambda: run([sys.executable, "-c", DUCKDB, str(path)])
        yield "duckdb columns", lambda: run([sys.executable, "-c", DUCKDB_COLUMNS, str(path)])
    yield "Python loop", lambda: run([sys.executable, "-c", LOOP, COMBINED, str(path)])


def compared(title: str, ours: Took, megabytes: float, peers: dict[str, Took]) -> None:
    """Print one table."""
    table = [f"\n{title}", HEAD]
    table += [
        f"{name:14} {took.wall:8.2f} {took.cpu:8.2f} {megabytes / took.cpu:9.1f}"
        f" {took.peak:8.0f} {took.wall / ours.wall:10.2f} {took.cpu / ours.cpu:9.2f}"
        for name, took in {"wsdiag": ours, **peers}.items()
    ]
    sys.stdout.write("\n".join(table) + "\n")


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="wsdiag-logs-") as name:
        folder = Path(name)
        access = written(folder / "access.log", nginx(chance), megabytes * 10**6)
        ours = run([*WSDIAG, str(access), *QUIET])
        peers = {peer: start() for peer, start in peers_of_nginx(access, folder)}
        compared(f"nginx access log, {megabytes} MB, whole diagnosis", ours, megabytes, peers)
        access.unlink()

        frames = written(folder / "server.log", websockets(chance), megabytes * 10**6)
        ours = run([*WSDIAG, str(frames), *QUIET])
        loops = {
            name: run([sys.executable, "-c", loop, WEBSOCKETS, str(frames)])
            for name, loop in (("Python loop", LOOP), ("Python events", LOOP_OF_EVENTS))
        }
        compared(f"websockets log, {megabytes} MB", ours, megabytes, loops)
        frames.unlink()

        own = written(folder / "app.log", application(chance), megabytes * 10**6)
        ours = run([*WSDIAG, str(own), *QUIET])
        loop = {
            "Python events": run([sys.executable, "-c", LOOP_OF_SENTENCES, APPLICATION, str(own)])
        }
        compared(f"application log, {megabytes} MB", ours, megabytes, loop)
        own.unlink()

        small = folder / "small"
        small.mkdir()
        lines = nginx(chance)
        for number in range(SMALL_FILES):
            text = "".join(next(lines) for _ in range(SMALL_LINES))
            (small / f"{number}.log").write_text(text, encoding="utf-8")
        together = folder / "together.log"
        together.write_text("".join(p.read_text() for p in sorted(small.iterdir())))
        many, one = run([*WSDIAG, str(small), *QUIET]), run([*WSDIAG, str(together), *QUIET])
        size = together.stat().st_size / 10**6
        compared(f"{SMALL_FILES} small files", many, size, {"as one file": one})


if __name__ == "__main__":
    main()
