"""Many incidents: a report for each, an index by cause, and nothing done twice."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plant
import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from wsdiag import batch as batches
from wsdiag.cli import main
from wsdiag.config import Config
from wsdiag.incidents import Incident, Index, State, index
from wsdiag.reporters import index as pages

CASES = Path(__file__).parents[1] / "fixtures"
HOSTILE = "a|b [bold]`t` <script>x<"
EMAIL_NAME = f"case of {plant.EMAIL}"


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="wsdiag")


def again(root: Path, out: Path, *options: object) -> dict[str, dict[str, Any]]:
    """The incidents of another run, by name."""
    result = run("batch", root, "-o", out, "--format", "json", "--jobs", 1, *options)
    assert result.exit_code in (0, 1), result.output
    told = json.loads(result.stdout)
    incidents = [*told["others"], *(it for group in told["groups"] for it in group["incidents"])]
    return {incident["name"]: incident for incident in incidents}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases of one cause, one that is well, one of nothing; and names that are hostile."""
    root = tmp_path_factory.mktemp("batch") / "incidents"
    for case in ("token-reused-403", "har-idle"):
        shutil.copytree(CASES / case / "evidence", root / case)
    plant.write(
        root / EMAIL_NAME,
        {"server.log": (CASES / "token-reused-403" / "evidence" / "server.log").read_bytes()},
    )
    plant.write(root / HOSTILE, {"diary.txt": b"stir well\n"})
    plant.write(root / ".hidden", {"server.log": b"ws closed code=1011\n"})
    plant.write(root, {"loose.log": b"ws closed code=1011\n"})
    return root


@pytest.fixture(scope="module")
def first(root: Path) -> tuple[Result, Path]:
    out = root.parent / "reports"
    return run("batch", root, "-o", out, "--jobs", 2), out


def test_incidents_are_grouped_by_cause(first: tuple[Result, Path]) -> None:
    result, out = first
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("3 incidents, ")
    told = json.loads((out / "index.json").read_text())
    assert told["schema"] == "wsdiag.index/1"
    causes = [(group["cause"], len(group["incidents"])) for group in told["groups"]]
    assert ("proxy-idle-timeout", 1) in causes
    assert sum(number for _, number in causes) == 3
    assert [(it["name"], it["state"]) for it in told["others"]] == [(HOSTILE, "no-evidence")]
    for path in [
        path for group in told["groups"] for it in group["incidents"] for path in it["reports"]
    ]:
        assert (out / path).stat().st_size
    alone = json.loads(run(CASES / "har-idle" / "evidence", "--format", "json").stdout)
    assert json.loads((out / "har-idle" / "report.json").read_text()) == alone


def test_what_is_of_no_incident_is_told(first: tuple[Result, Path]) -> None:
    assert "1 files in" in first[0].stderr
    assert "hidden" not in first[0].stdout


def test_names_tell_no_secret_and_do_nothing(first: tuple[Result, Path]) -> None:
    result, out = first
    texts = [path.read_text() for path in out.rglob("*") if path.is_file()]
    for text in (result.stdout, result.stderr, *texts, *(path.name for path in out.iterdir())):
        assert plant.leaks(text) == []
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(
        (out / "index.md").read_text()
    )
    kinds = {inner.type for token in tokens for inner in [token, *(token.children or ())]}
    assert not kinds & {"html_inline", "html_block", "image"}
    links = re.findall(r'href="([^"]*)"', (out / "index.html").read_text())
    assert links
    assert all(link.startswith("./") for link in links)
    assert "<script" not in (out / "index.html").read_text()


def test_nothing_is_done_twice(root: Path, first: tuple[Result, Path]) -> None:
    out = first[1]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("report.*")}
    kept = again(root, out)
    assert all(it["kept"] for it in kept.values())
    assert {path: path.stat().st_mtime_ns for path in out.rglob("report.*")} == before


def test_what_changed_is_read_again(root: Path, first: tuple[Result, Path], tmp_path: Path) -> None:
    """By its bytes, not by its time; by the settings; by what is there of the reports."""
    shutil.copytree(root, tmp_path / "in", symlinks=True)
    shutil.copytree(first[1], tmp_path / "out")
    log = tmp_path / "in" / "har-idle" / "console.log"
    log.touch()
    (tmp_path / "out" / "token-reused-403" / "report.md").unlink()
    kept = again(tmp_path / "in", tmp_path / "out")
    assert kept["har-idle"]["kept"]
    assert not kept["token-reused-403"]["kept"]
    log.write_bytes(log.read_bytes() + b"\n")
    assert not again(tmp_path / "in", tmp_path / "out")["har-idle"]["kept"]
    assert not any(
        it["kept"]
        for it in again(tmp_path / "in", tmp_path / "out", "--target", "connect_ms=7").values()
    )


def stopping(after: int) -> Any:
    """Tells that the user had enough once so many incidents are done."""
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)

    return lambda: any(text.startswith(f"{after} of") for text in said), say


def test_an_interrupted_run_goes_on_where_it_was(root: Path, tmp_path: Path) -> None:
    stopped, say = stopping(after=1)
    made = batches.run(root, tmp_path, Config(), [".json"], 1, stopped, say)
    states = [one.state for one in made.all]
    assert states.count(State.NOT_REACHED) == 3
    assert (tmp_path / "index.html").is_file()
    made = batches.run(root, tmp_path, Config(), [".json"], 1, lambda: False, lambda _: None)
    assert [one.kept for one in made.all].count(True) == 1
    assert State.NOT_REACHED not in [one.state for one in made.all]


def test_one_broken_process_does_not_stop_the_rest(root: Path, tmp_path: Path) -> None:
    killed: list[str] = []

    def say(text: str) -> None:
        if "reading" in text and not killed:
            killed.append(text)
            for child in multiprocessing.active_children():
                child.kill()

    made = batches.run(root, tmp_path, Config(), [".md"], 1, lambda: False, say)
    (broken,) = [one for one in made.others if one.state is State.FAILED]
    assert "ended with code -9" in broken.why
    assert len(made.all) == 4
    assert broken.name in killed[0]


def test_exit_codes(tmp_path: Path) -> None:
    plant.write(tmp_path / "in" / "nothing", {"diary.txt": b"stir well\n"})
    result = run("batch", tmp_path / "in", "-o", tmp_path / "out", "--jobs", 1)
    assert result.exit_code == 3
    assert "nothing" in result.stderr
    assert run("batch", tmp_path / "missing").exit_code == 2
    (tmp_path / "file").write_text("")
    assert run("batch", tmp_path / "in", "-o", tmp_path / "file").exit_code == 2


def test_reports_inside_the_root_are_no_incident(tmp_path: Path) -> None:
    shutil.copytree(CASES / "har-idle" / "evidence", tmp_path / "one")
    told = again(tmp_path, tmp_path / "reports")
    assert set(again(tmp_path, tmp_path / "reports")) == set(told) == {"one"}


def one(name: str, cause: str, confidence: float) -> Incident:
    return Incident(
        name=name, state=State.DIAGNOSED, cause=cause, title=cause, confidence=confidence
    )


def test_the_order_of_the_index() -> None:
    """The cause of most first, what is well last; the surest first within a cause."""
    given = [
        one("a", "healthy", 0.9),
        one("b", "healthy", 0.9),
        one("c", "x", 0.5),
        one("d", "y", 0.6),
        one("e", "y", 0.9),
        Incident(name="f", state=State.FAILED),
    ]
    for order in (given, given[::-1]):
        made: Index = index("wsdiag", order)
        names: Sequence[str] = [it.name for it in made.all]
        assert [group.cause for group in made.groups] == ["y", "x", "healthy"]
        assert names == ["e", "d", "c", "a", "b", "f"]
    assert pages.as_text(index("wsdiag", [])) == "0 incidents, 0 causes\n"
