"""Judge every case with the oldest parts that pyproject.toml allows.

`python .ci/floors.py` installs them beside; with `--judge` it is what is run with them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


def oldest() -> list[str]:
    """The dependencies, each at the lowest version it may have here."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return [re.sub(r">=([\d.]+)[^;]*", r"==\1", one) for one in named]


def judge() -> int:
    """How many cases are not judged."""
    from wsdiag.pipeline import diagnose

    failed = 0
    for evidence in sorted((ROOT / "fixtures").glob("*/evidence")):
        try:
            said = [it.why for it in diagnose([str(evidence)]).verdicts if it.verdict == "error"]
        except Exception as problem:
            said = [repr(problem)]
        if said:
            failed += 1
            print(f"{evidence.parent.name}: {said[0]}")
    return failed


def main() -> None:
    if "--judge" in sys.argv:
        sys.exit(bool(judge()))
    with TemporaryDirectory() as made:
        venv.create(made, with_pip=True)
        python = f"{made}/bin/python"
        subprocess.run([python, "-m", "pip", "install", "-q", *oldest()], check=True)
        ran = subprocess.run([python, __file__, "--judge"], env={"PYTHONPATH": str(ROOT)})
        sys.exit(ran.returncode)


main()
