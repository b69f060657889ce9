"""One incident of many: diagnose it, write its reports, tell what it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from wsdiag.config import Config
from wsdiag.incidents import Incident, State, incident
from wsdiag.report import Report

STATE = "state.json"
"""What an incident's folder holds beside the reports: the digest, and its line of the index."""


class Task(msgspec.Struct, kw_only=True):
    """An incident to diagnose: its name in the index, where it is, and where its reports go.

    `forms` are suffixes of reports; `digest` stands for all that the reports depend on.
    """

    name: str
    folder: str
    out: str
    config: Config
    forms: list[str]
    digest: str = ""

    @property
    def reports(self) -> list[str]:
        """The names of its reports."""
        return [f"report{suffix}" for suffix in self.forms]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an incident that was diagnosed."""

    digest: str
    incident: Incident


def diagnose(task: Task) -> Incident:
    """Diagnose an incident and write its reports; whatever happens is told, nothing is raised."""
    from wsdiag import pipeline
    from wsdiag.gather import NoEvidence
    from wsdiag.redact import Redactor

    try:
        report = pipeline.diagnose([task.folder], task.config)
        unread = any(it.format == "unreadable" or it.unread_lines for it in report.inputs)
        told = incident(
            task.name, report, [f"{task.name}/{name}" for name in task.reports], unread=unread
        )
        _keep(task, told, report)
    except NoEvidence as problem:
        why = "; ".join(line.strip() for line in str(problem).splitlines())
        told = Incident(name=task.name, state=State.NO_EVIDENCE, why=Redactor().mask(why)[:300])
        _keep(task, told, None)
    except Exception as problem:  # one broken incident does not stop the rest
        why = Redactor().mask(" ".join(f"{type(problem).__name__}: {problem}".split()))
        told = Incident(name=task.name, state=State.FAILED, why=why[:300])
    return told


def _keep(task: Task, told: Incident, report: Report | None) -> None:
    """Write reports and state, each whole or not at all; the state last."""
    from wsdiag import reporters

    folder = Path(task.out)
    folder.mkdir(exist_ok=True)
    folder.joinpath(STATE).unlink(missing_ok=True)
    for suffix, name in zip(task.forms, task.reports, strict=True):
        if report is None:
            folder.joinpath(name).unlink(missing_ok=True)
            continue
        text = reporters.REPORTERS[reporters.SUFFIXES[suffix]].render(report)
        _replace(folder / name, text.encode("utf-8", "replace"))
    _replace(folder / STATE, msgspec.json.encode(Done(digest=task.digest, incident=told)))


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
