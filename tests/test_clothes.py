"""The same incident in other clothes gets the same answer."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clothes
import pytest
from clothes import Files

from wsdiag.pipeline import diagnose

FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES = sorted(
    label.parent.name
    for label in FIXTURES.glob("*/case.toml")
    if "needs =" not in label.read_text(encoding="utf-8")  # keys are lost with the file's format
)

CLOTHES: dict[str, Callable[[Files], Files]] = {
    "renamed, packed, CRLF": lambda files: clothes.packed(clothes.crlf(clothes.renamed(files))),
    "CRI, rotated, pcapng": lambda files: clothes.rotated(
        clothes.in_containers(clothes.other_capture_format(files), "cri")
    ),
    "docker, capture 7 s late, noise": lambda files: clothes.among_noise(
        clothes.in_containers(clothes.other_capture_format(files, 7.0), "docker")
    ),
}


def evidence(case: str) -> Files:
    folder = FIXTURES / case / "evidence"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def label(case: str) -> dict[str, Any]:
    return tomllib.loads((FIXTURES / case / "case.toml").read_text(encoding="utf-8"))


# Each case in two of the three, in turn.
WORN = [
    (case, dress)
    for place, case in enumerate(CASES)
    for other, dress in enumerate(CLOTHES)
    if place % len(CLOTHES) != other
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "dress"), WORN)
def test_the_same_answer_in_other_clothes(case: str, dress: str, tmp_path: Path) -> None:
    for name, data in CLOTHES[dress](evidence(case)).items():
        (tmp_path / name).write_bytes(data)
    assert diagnose([str(tmp_path)]).causes[0].id == label(case)["cause"]
