"""The same incident in other clothes gets the same answer; less evidence gives no wrong one."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import clothes
import pytest
from clothes import Files

from wsdiag.gather import NoEvidence
from wsdiag.pipeline import diagnose

FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES = sorted(label.parent.name for label in FIXTURES.glob("*/case.toml"))
UNDECIDED = {"unknown", "thin-evidence"}

CLOTHES: dict[str, Callable[[Files], Files]] = {
    "renamed, packed, CRLF": lambda files: clothes.packed(clothes.crlf(clothes.renamed(files))),
    "CRI, rotated, pcapng": lambda files: clothes.rotated(
        clothes.in_containers(clothes.other_capture_format(files), "cri")
    ),
    "docker, capture 7 s late, noise": lambda files: clothes.among_noise(
        clothes.in_containers(clothes.other_capture_format(files, 7.0), "docker")
    ),
}


@cache
def evidence(case: str) -> Files:
    folder = FIXTURES / case / "evidence"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def label(case: str) -> dict[str, Any]:
    return tomllib.loads((FIXTURES / case / "case.toml").read_text(encoding="utf-8"))


def first_cause(files: Files, folder: Path) -> str:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    try:
        return diagnose([str(folder)]).causes[0].id
    except NoEvidence:
        return "no evidence"


@cache
def as_recorded(case: str) -> str:
    return diagnose([str(FIXTURES / case / "evidence")]).causes[0].id


@pytest.mark.slow
@pytest.mark.parametrize("dress", CLOTHES)
@pytest.mark.parametrize("case", CASES)
def test_the_same_answer_in_other_clothes(case: str, dress: str, tmp_path: Path) -> None:
    assert first_cause(CLOTHES[dress](evidence(case)), tmp_path) == as_recorded(case)


SAME_FAULT = {
    "haproxy-timer": {"proxy-idle-timeout"},  # whose timer it was, the log alone tells
    "server-restart": {"nothing-listening"},  # a proxy's error log shows the gap, not what made it
}
"""Less evidence shows the same fault under another name."""

WRONG = {
    ("broker-lost", "client.log"): "sockets live and nothing else is said: it looks healthy",
}
"""Known to be named wrongly from this file alone."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "name"),
    [(case, name) for case in CASES for name, data in evidence(case).items() if data],
)
def test_one_file_alone_is_no_reason_for_a_wrong_answer(
    case: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if (case, name) in WRONG:
        request.applymarker(pytest.mark.xfail(strict=True, reason=WRONG[case, name]))
    said = first_cause({name: evidence(case)[name]}, tmp_path)
    cause = label(case)["cause"]
    assert said not in set(label(case)["must_not"]) - UNDECIDED - SAME_FAULT.get(cause, set())
    if cause == "healthy":
        assert said in {"healthy", "no evidence", *UNDECIDED}
