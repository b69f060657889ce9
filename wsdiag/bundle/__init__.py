"""A case to hand on: the report, and the redacted part of the evidence that it rests on.

Every event that was read is read again from the bundle: detectors judge by all of them, and a share
or a percentile of a selection would be another. What gave no event stays at home. After packing the
bundle is diagnosed, and what is not found again is told.
"""

from __future__ import annotations

import json
import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec.structs import replace

from wsdiag import pipeline, progress
from wsdiag.bundle.evidence import copy
from wsdiag.config import Config
from wsdiag.evidence import Paths
from wsdiag.evidence.archives import BUNDLE, EVIDENCE
from wsdiag.gather import Gathered, NoEvidence
from wsdiag.progress import Progress
from wsdiag.report import Report
from wsdiag.reporters import REPORTERS
from wsdiag.targets import Targets

SCHEMA = "wsdiag.bundle/1"
REPORTS = {"report.md": "markdown", "report.html": "html", "report.json": "json"}

_LATE = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: the same evidence gives the same bytes."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What was packed: the report, how to read the bundle, and what it does not tell again."""

    report: Report
    options: list[str]
    lost: list[str]


def pack(paths: Paths, config: Config, target: Path, issue: Callable[[Report], Report]) -> Bundle:
    """Diagnose `paths` and write a bundle. `issue` gives the report its title.

    Raises `NoEvidence`, `ConfigError`, `OSError`, and `KeyboardInterrupt` where the progress was
    stopped.
    """
    far = progress.current()
    with pipeline.diagnosed(paths, config) as (judged, gathered), progress.watched(Progress()):
        report = issue(judged)
        windowed = config.since is not None or config.until is not None
        for within in (True, False) if windowed else (False,):
            bundle = _packed(report, gathered, config, target, far, within=within)
            if not bundle.lost:
                break
        return bundle


def _packed(
    report: Report,
    gathered: Gathered,
    config: Config,
    target: Path,
    far: Progress,
    *,
    within: bool,
) -> Bundle:
    """Write the bundle, with the evidence from the window that was asked for or with all of it."""
    with TemporaryDirectory(prefix="wsdiag-") as made:
        lost, files = list[str](), dict[str, Path]()
        for number, item in enumerate(gathered.inputs):
            _go_on(far, f"packing {item.name}")
            needed = None
            if within:
                here = gathered.events.filter(source=item.name).select("pos")
                needed = set(here.collect()["pos"].to_list())
            file = Path(made, str(number))
            why = copy(item, needed, config, file)
            if file.exists():
                files[item.name] = file
            if why:
                lost.append(f"{item.name}: {why}")
        again = _again(config, gathered, within=within)
        options = _options(again)
        draft = Path(made, "case.zip")
        texts = {name: REPORTERS[form].render(report) for name, form in REPORTS.items()}
        _write(draft, report, texts, files, options, lost)
        _go_on(far, "diagnosing the bundle")
        if missed := _not_found(report, draft, again):
            lost += missed
            _write(draft, report, texts, files, options, lost)
        _go_on(far, "")
        shutil.copyfile(draft, target)
    return Bundle(report=report, options=options, lost=lost)


def _go_on(far: Progress, note: str) -> None:
    """Say what is done now. A part of a case is none: raises `KeyboardInterrupt` where it was asked
    to stop."""
    far.note = note
    if far.stopped:
        raise KeyboardInterrupt


def _again(config: Config, gathered: Gathered, *, within: bool) -> Config:
    """The settings by which the bundle gives the same findings."""
    since, until = (None, None) if within else (gathered.since, gathered.until)
    return replace(config, since=since, until=until, keylog=None)


def _options(config: Config) -> list[str]:
    """The settings that differ from the usual ones, as options."""
    usual, told = Config(), list[str]()
    for flag, value, default in (
        ("--tz", config.tz, usual.tz),
        ("--reference", config.reference, usual.reference),
        ("--since", config.since, usual.since),
        ("--until", config.until, usual.until),
        ("--fail-on", config.fail_on, usual.fail_on),
    ):
        if value != default and value is not None:
            told += [flag, value.isoformat() if hasattr(value, "isoformat") else str(value)]
    told += [part for name in config.select for part in ("--select", name)]
    told += [part for name in config.ignore for part in ("--ignore", name)]
    base = msgspec.structs.asdict(Targets())
    for name, value in msgspec.structs.asdict(config.targets).items():
        if value != base[name]:
            told += ["--target", f"{name}={value:g}"]
    return told


def _not_found(report: Report, draft: Path, config: Config) -> list[str]:
    """What a diagnosis of the bundle does not give as the report has it."""
    try:
        again = pipeline.diagnose([draft], config)
    except NoEvidence:
        return ["nothing can be read from it"]
    found = {finding.id: finding for finding in again.findings}
    lost = []
    for finding in report.findings:
        other = found.pop(finding.id, None)
        if other is None:
            lost.append(f"finding {finding.id} ({finding.detector}) is not made")
        elif (finding.message, finding.count) != (other.message, other.count):
            lost.append(f"finding {finding.id} ({finding.detector}) says: {other.message}")
    lost += [f"finding {it.id} ({it.detector}) is made of it alone" for it in found.values()]
    causes = [[cause.id for cause in it.causes] for it in (report, again)]
    if causes[0] != causes[1]:
        lost.append(f"the causes are {', '.join(causes[1])}")
    return lost


def command(name: str, options: list[str]) -> str:
    """What to type to diagnose the bundle."""
    return shlex.join(["wsdiag", name, *options])


def _write(
    target: Path,
    report: Report,
    texts: dict[str, str],
    files: dict[str, Path],
    options: list[str],
    lost: list[str],
) -> None:
    head = {"schema": SCHEMA, "tool": report.tool, "options": options, "lost": lost}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        # Not packed: by its first bytes the file is known as a bundle.
        told = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
        archive.writestr(zipfile.ZipInfo(BUNDLE, _LATE), told.encode("utf-8", "replace"))
        _add(archive, "README.txt", _readme(report, options, lost))
        for name, text in texts.items():
            _add(archive, name, text)
        for name, file in files.items():
            with (
                file.open("rb") as content,
                archive.open(_member(EVIDENCE + name), "w", force_zip64=True) as member,
            ):
                while part := content.read(1 << 20):
                    member.write(part)


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(_member(name), text.encode("utf-8", "replace"))


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _LATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _readme(report: Report, options: list[str], lost: list[str]) -> str:
    told = [
        f"A case, packed by {report.tool}.",
        "",
        "report.html  the report to read; report.md and report.json say the same",
        "evidence/    what it rests on: lines, packets and entries that tell of connections",
        "",
        "Secrets and public addresses are replaced, the same by the same. Places are kept: line",
        "1234 is line 1234; what lay between is empty. To diagnose it again:",
        "",
        f"  {command('case.zip', options)}",
    ]
    if not report.redacted:
        told[6:7] = ["NOTHING IS HIDDEN in the reports: they show secrets as they are."]
    if lost:
        told += ["", "What that does not give as the report has it:", *(f"- {it}" for it in lost)]
    return "\n".join(told) + "\n"
