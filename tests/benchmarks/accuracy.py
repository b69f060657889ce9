"""How often wsdiag is right, on the recorded incidents: `python tests/benchmarks/accuracy.py`.

Prints the page and writes it to docs/accuracy.md. Right is the labelled cause, or one that the
label accepts as well, in the first place. Detectors are judged where the label is certain.
Whole incidents are mostly told with certainty, so confidence is measured on each of their files
alone as well.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wsdiag.gather import NoEvidence
from wsdiag.pipeline import diagnose
from wsdiag.report import Report

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "accuracy.md"
BANDS = ((0.9, 1.0), (0.7, 0.9), (0.4, 0.7), (0.0, 0.4))
UNDECIDED = {"unknown", "thin-evidence"}
HEAD = """\
# Accuracy

Measured on the [recorded incidents](../fixtures/README.md): real programs, one real fault each,
labelled by the recorder's own books. Written by `python tests/benchmarks/accuracy.py`.
"""


class Judged(NamedTuple):
    """An incident, its label, and what wsdiag says."""

    case: str
    label: dict[str, Any]
    report: Report

    @property
    def named(self) -> str:
        return self.report.causes[0].id

    @property
    def right(self) -> bool:
        return self.named in {self.label["cause"], *self.label["also_acceptable"]}

    @property
    def healthy(self) -> bool:
        return bool(self.label["cause"] == "healthy")


def alone() -> list[Judged]:
    """Every file of every recorded incident, as if it were all there is; what holds nothing usable
    is left out."""
    told = []
    for path in sorted((ROOT / "fixtures").glob("*/case.toml")):
        label = tomllib.loads(path.read_text("utf-8"))
        for file in sorted((path.parent / "evidence").iterdir()):
            with contextlib.suppress(NoEvidence):
                told.append(Judged(path.parent.name, label, diagnose([str(file)])))
    return told


def judged() -> list[Judged]:
    """Every recorded incident, by name."""
    return [
        Judged(
            path.parent.name,
            tomllib.loads(path.read_text("utf-8")),
            diagnose([str(path.parent / "evidence")]),
        )
        for path in sorted((ROOT / "fixtures").glob("*/case.toml"))
    ]


def page(all_: list[Judged], parts_: list[Judged]) -> str:
    """The page in Markdown; `parts_` are the files alone."""
    exact = sum(one.named == one.label["cause"] for one in all_)
    right = sum(one.right for one in all_)
    false = sum(len(one.report.findings) for one in all_ if one.healthy)
    healthy = sum(one.healthy for one in all_)
    tempted = [one.case for one in all_ if one.named in one.label["must_not"]]
    said = [
        f"- right first causes: {right} of {len(all_)} ({right / len(all_):.0%}), "
        f"{exact} of them the labelled cause itself",
        f"- findings on {healthy} healthy recordings: {false}",
        f"- first causes that the evidence tempts to, wrongly: {', '.join(tempted) or 'none'}",
    ]
    parts = [
        HEAD,
        "\n".join(said) + "\n",
        "## Confidence\n\nOf what was said with such a confidence, how much was right: on whole "
        "incidents, and on each of\ntheir files alone.\n",
        _table(("confidence", "said", "right", "share", "mean confidence"), _bands(all_ + parts_)),
        "## Detectors\n",
        _table(("detector", "precision", "recall", "breach", "clean"), _detectors(all_)),
        "## Causes\n\nWhere another than the labelled cause stands first; some are honest, too.\n",
        _table(("wanted", "said", "times", ""), _confusion(all_)),
        "## Incidents\n",
        _table(("incident", "first cause", "confidence", ""), _incidents(all_)),
    ]
    return "\n".join(parts)


def bands(all_: list[Judged]) -> Iterator[tuple[float, float, list[Judged]]]:
    """Low and high end of each band of confidence, and the decided answers in it."""
    for low, high in BANDS:
        told = [
            one
            for one in all_
            if low <= one.report.causes[0].confidence < high + (high == 1.0)
            and one.named not in UNDECIDED
        ]
        yield low, high, told


def _bands(all_: list[Judged]) -> Iterator[tuple[str, ...]]:
    for low, high, told in bands(all_):
        right = sum(one.right for one in told)
        share = f"{right / len(told):.0%}" if told else "–"
        mean = sum(one.report.causes[0].confidence for one in told) / max(len(told), 1)
        stated = f"{mean:.2f}" if told else "–"
        yield f"{low:.1f} to {high:.1f}", str(len(told)), str(right), share, stated


def _detectors(all_: list[Judged]) -> Iterator[tuple[str, ...]]:
    counts: dict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
    for one in all_:
        verdicts = {v.detector: v.verdict.value == "breach" for v in one.report.verdicts}
        for detector, wanted in one.label["detectors"].items():
            counts[detector][wanted, verdicts.get(detector, False)] += 1
    for detector, count in sorted(counts.items()):
        hit, false = count["breach", True], count["clean", True]
        breach, clean = hit + count["breach", False], false + count["clean", False]
        precision = f"{hit / (hit + false):.0%}" if hit + false else "–"
        recall = f"{hit / breach:.0%}" if breach else "–"
        yield f"`{detector}`", precision, recall, str(breach), str(clean)


def _confusion(all_: list[Judged]) -> Iterator[tuple[str, ...]]:
    told = Counter(
        (one.label["cause"], one.named, "accepted" if one.right else "**wrong**")
        for one in all_
        if one.named != one.label["cause"]
    )
    for (wanted, named, how), times in sorted(told.items()):
        yield f"`{wanted}`", f"`{named}`", str(times), how


def _incidents(all_: list[Judged]) -> Iterator[tuple[str, ...]]:
    for one in all_:
        first = one.report.causes[0]
        yield one.case, f"`{first.id}`", f"{first.confidence:.2f}", "" if one.right else "**wrong**"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    text = page(judged(), alone())
    PAGE.write_text(text, encoding="utf-8")
    print(text)  # noqa: T201
