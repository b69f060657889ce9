"""Many incidents, each in a folder of its own: reports, and an index of them.

An incident that was diagnosed before is left as it is while nothing that its report depends on has
changed. Reports are written whole or not at all, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

import wsdiag
from wsdiag import incidents
from wsdiag.batch import digests, workers
from wsdiag.batch.task import STATE, Done, Task
from wsdiag.config import Config
from wsdiag.evidence import shown
from wsdiag.incidents import Incident, Index, State
from wsdiag.reporters import index as indexes

Said = Callable[[str], None]


def run(
    root: Path,
    out: Path,
    config: Config,
    forms: Sequence[str],
    jobs: int,
    stopped: Callable[[], bool],
    say: Said,
) -> Index:
    """Diagnose every folder in `root`, `jobs` at once, and write reports and index below `out`.

    `forms` are suffixes of reports, `stopped` tells whether to make do with what is done, and `say`
    takes a line on how far it is. Raises `OSError` where `out` cannot be written.
    """
    tasks = list(_tasks(root, out, config, forms))
    done: dict[str, Incident] = {}
    waiting = list[Task]()
    say(f"looking for changes in {len(tasks)} incidents")
    for task in tasks:
        if stopped():
            break
        kept = _kept(task)
        if kept is None:
            waiting.append(task)
        else:
            done[task.name] = msgspec.structs.replace(kept, kept=True)
    for result in workers.run(waiting, jobs, stopped, lambda busy: say(_far(done, tasks, busy))):
        done[result.name] = result
    missing = [task.name for task in tasks if task.name not in done]
    told = [
        *done.values(),
        *(Incident(name=name, state=State.NOT_REACHED, why="interrupted") for name in missing),
    ]
    made = incidents.index(f"wsdiag {wsdiag.__version__}", told)
    for name, render in indexes.PAGES.items():
        _replace(out / name, render(made))
    return made


def _tasks(root: Path, out: Path, config: Config, forms: Sequence[str]) -> Iterator[Task]:
    """A task for each folder in `root` that is neither hidden nor where the reports go."""
    taken: set[str] = set()
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith(".") or folder.resolve() == out.resolve():
            continue
        given = shown(folder.name).strip(". ") or "unnamed"  # a name can hold a secret, too
        name, number = given, 1
        while name in taken:
            number += 1
            name = f"{given}~{number}"
        taken.add(name)
        yield Task(
            name=name, folder=str(folder), out=str(out / name), config=config, forms=[*forms]
        )


def _kept(task: Task) -> Incident | None:
    """What an earlier run made of it, if nothing has changed since and its reports are there."""
    task.digest = digests.of_task(task)
    try:
        done = msgspec.json.decode(Path(task.out, STATE).read_bytes(), type=Done)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    there = all(Path(task.out).parent.joinpath(name).is_file() for name in done.incident.reports)
    return done.incident if done.digest == task.digest and there else None


def _far(done: dict[str, Incident], tasks: Sequence[Task], busy: Sequence[str]) -> str:
    names = ", ".join(busy)
    return f"{len(done)} of {len(tasks)} incidents" + (f"; reading {names}" if names else "")


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", errors="replace")
    os.replace(part, path)  # noqa: PTH105 – the same as Path.replace, which hides that it is atomic
