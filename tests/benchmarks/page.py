"""How large the page of 10 000 connections is, and how soon a browser answers in it.

Run it as `python tests/benchmarks/page.py [CONNECTIONS]`; it needs playwright and chromium. Peers
are an empty page, and the same page without its charts and its script.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "reporters"))
import crowd

from wsdiag import diagnose
from wsdiag.reporters import html

EMPTY = "<!doctype html><title>empty</title>"
ROUNDS = 5


def shown(browser: Any, path: Path) -> float:
    """Seconds from the request until two frames were painted: then it answers to input."""
    page = browser.new_page()
    began = time.perf_counter()
    page.goto(path.as_uri())
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    took = time.perf_counter() - began
    page.close()
    return took


def filtered(browser: Any, path: Path) -> float:
    """Seconds until the table shows what was typed."""
    page = browser.new_page()
    page.goto(path.as_uri())
    began = time.perf_counter()
    page.fill("#words", "proxy")
    page.wait_for_function("document.getElementById('shown').textContent.includes(' of ')")
    took = time.perf_counter() - began
    page.close()
    return took


def main(connections: int) -> None:
    """Print each page's size and the median of its times."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as player:
        folder = Path(name)
        crowd.write(folder, connections)
        whole = html.render(diagnose([str(folder)]))
        bare = re.sub(r"<(svg|script).*?</\1>", "", whole, flags=re.DOTALL)
        browser = player.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        shown(browser, _put(folder, EMPTY))  # the browser's own beginning
        for label, text in (("empty", EMPTY), ("words alone", bare), ("page", whole)):
            path = _put(folder, text)
            took = sorted(shown(browser, path) for _ in range(ROUNDS))[ROUNDS // 2]
            click.echo(f"{label:12} {len(text) / 1e6:6.2f} MB  shown in {took:5.2f} s")
        took = sorted(filtered(browser, path) for _ in range(ROUNDS))[ROUNDS // 2]
        click.echo(f"{'filter':12} {'':9}  answers in {took:5.2f} s")
        browser.close()


def _put(folder: Path, text: str) -> Path:
    path = folder / "page.html"
    path.write_text(text, "utf-8")
    return path


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
