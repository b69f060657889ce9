"""The list of reporters and the folder agree."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import sample

from wsdiag import reporters


def test_every_module_that_renders_is_registered() -> None:
    modules = [
        importlib.import_module(f"wsdiag.reporters.{info.name}")
        for info in pkgutil.iter_modules(reporters.__path__)
    ]
    rendering = {module for module in modules if hasattr(module, "render")}
    assert rendering == set(reporters.REPORTERS.values())


def test_every_suffix_names_a_reporter() -> None:
    assert set(reporters.SUFFIXES.values()) == set(reporters.REPORTERS) - {"github"}  # no files


@pytest.mark.parametrize("name", reporters.REPORTERS)
@pytest.mark.parametrize("make", [sample.incident, sample.healthy, sample.hostile])
def test_output_is_harmless_lines(name: str, make: object) -> None:
    text = reporters.REPORTERS[name].render(make())  # type: ignore[operator]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    if name == "json":
        assert "\x1b" not in text
    else:
        forbidden = {chr(c) for c in range(32)} - {"\n"} | {"\x9b", "\u202e", "\u2028", "\x7f"}
        assert not forbidden & set(text)
        assert not any(line != line.rstrip() for line in text.splitlines())
