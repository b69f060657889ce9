"""The first inputs of the fuzz harness; it runs on by `python tests/capture/fuzz.py`."""

from __future__ import annotations

from itertools import islice

import fuzz


def test_damaged_captures_are_read_both_ways_alike() -> None:
    for data in islice(fuzz.inputs(seed=1), 40):
        fuzz.check(data)
