"""The page: whole in itself, inert, the same on every run, and usable in a real browser."""

from __future__ import annotations

import hashlib
import re
import shutil
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import crowd
import msgspec
import pytest
import sample

from wsdiag.pipeline import diagnose
from wsdiag.report import Report
from wsdiag.reporters import html

FIXTURES = Path(__file__).parents[2] / "fixtures"
VOID = {"meta", "br", "input", "link", "img", "hr", "base"}


class Page(HTMLParser):
    """Every tag with its attributes, and whether all that was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def incident() -> Report:
    return diagnose([str(FIXTURES / "proxy-idle-cut" / "evidence")])


@pytest.mark.parametrize("name", ["incident", "healthy", "hostile"])
def test_the_page_is_whole_and_loads_nothing(name: str) -> None:
    page = Page(html.render(getattr(sample, name)()))
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "link", "iframe", "object", "base"})
    (script,) = page.named("script")
    assert script == {}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"], tag
    assert all((a["href"] or "").startswith("#") for a in page.named("a"))


def test_the_policy_allows_this_script_and_nothing_else() -> None:
    text = html.render(sample.incident())
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(meta["content"] for meta in Page(text).named("meta") if "http-equiv" in meta)
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_evidence_is_text() -> None:
    text = html.render(sample.hostile())
    assert not {"\x1b", "\x9b", "\u202e", "\u2028"} & set(text)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_same_report_gives_the_same_page(incident: Report) -> None:
    assert html.render(incident) == html.render(incident)


def test_every_chart_and_every_link_is_there(incident: Report) -> None:
    page = Page(html.render(incident))
    drawn = [svg["class"] for svg in page.named("svg")]
    assert {"chart counts", "chart latency", "chart lanes", "chart codes", "chart clock"} == set(
        drawn
    )
    aims = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {(a["href"] or "")[1:] for a in page.named("a")} <= aims
    assert {f"finding-{finding.id}" for finding in incident.findings} <= aims


def test_the_answer_comes_before_everything(incident: Report) -> None:
    text = html.render(incident)
    answer = [text.index(part) for part in ("<h1>", "Why:", "Fix:", "Symptoms", "Verdicts</h2>")]
    assert answer == sorted(answer)


def test_lists_go_on_behind_code_and_within_items() -> None:
    fix = "1. first\n\n```sh\nls\n```\n\n2. second\n   - inner\n   - other\n3. third"
    report = sample.incident()
    cause = msgspec.structs.replace(report.causes[0], fix=fix)
    text = html.render(msgspec.structs.replace(report, causes=[cause]))
    shown = re.sub(r"\s*\n\s*", "", text[text.index('<h2 id="fix">') :])
    assert shown.startswith(
        '<h2 id="fix">Fix</h2><ol><li value="1">first</li></ol><pre><code>ls</code></pre>'
        '<ol><li value="2">second<ul><li>inner</li><li>other</li></ul></li>'
        '<li value="3">third</li></ol>'
    )


def test_a_row_leads_to_the_findings_that_concern_it(incident: Report) -> None:
    page = Page(html.render(incident))
    links = Counter(a["href"] for a in page.named("a"))
    for finding in incident.findings:
        concerned = sum(finding.id in lane.findings for lane in incident.lanes)
        assert concerned
        assert links[f"#finding-{finding.id}"] >= concerned


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("no chromium in the path")
    with api.sync_playwright() as player:
        started = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser: Any, report: Report, folder: Path, **look: Any) -> tuple[Any, list[str]]:
    """The page in the browser, and what its console or the network had to say."""
    path = folder / "report.html"
    path.write_text(html.render(report), "utf-8")
    said: list[str] = []
    page = browser.new_page(**look)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda problem: said.append(str(problem)))
    page.on("request", lambda ask: said.append(ask.url) if ask.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return page, said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["incident", "hostile"])
def test_a_browser_has_nothing_to_complain_of(browser: Any, tmp_path: Path, name: str) -> None:
    page, said = opened(browser, getattr(sample, name)(), tmp_path)
    assert said == []
    assert page.title().startswith("WebSocket Debug: ")


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_no_wider_than_the_window(
    browser: Any, incident: Report, tmp_path: Path, width: int
) -> None:
    page, _ = opened(browser, incident, tmp_path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_filters_and_links_work(browser: Any, incident: Report, tmp_path: Path) -> None:
    page, said = opened(browser, incident, tmp_path)
    rows = page.locator("#connections tbody tr:visible")
    assert rows.count() == len(incident.connections) == 11
    page.select_option("#by", "proxy")
    assert (rows.count(), page.inner_text("#shown")) == (5, "5 of 11")
    page.fill("#words", incident.connections[0].session)
    assert rows.count() == 1
    page.select_option("#by", "")
    page.fill("#words", "nobody at all")
    assert rows.count() == 0
    folded = page.locator(f"#finding-{incident.findings[1].id}")
    assert folded.get_attribute("open") is None
    page.evaluate(f"location.hash = 'finding-{incident.findings[1].id}'")
    page.wait_for_function(f"document.getElementById('finding-{incident.findings[1].id}').open")
    assert said == []


@pytest.mark.slow
def test_paper_shows_what_is_folded(browser: Any, incident: Report, tmp_path: Path) -> None:
    page, said = opened(browser, incident, tmp_path)
    closed = page.locator("details:not([open])")
    folded = closed.count()
    assert folded
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert closed.count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert closed.count() == folded
    assert said == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Any, incident: Report, tmp_path: Path, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page, _ = opened(browser, incident, tmp_path, color_scheme=scheme, bypass_csp=True)
    found = axe.Axe().run(page).response["violations"]
    serious = [one["id"] for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []


@pytest.mark.slow
def test_ten_thousand_connections_stay_usable(browser: Any, tmp_path: Path) -> None:
    """All are counted, the worst are drawn; the page stays small, and its filter answers."""
    crowd.write(tmp_path, 10_000)
    report = diagnose([str(tmp_path / "nginx-access.log"), str(tmp_path / "nginx-error.log")])
    assert report.facts.connections == 10_000
    assert report.causes[0].id == "proxy-idle-timeout"
    page, said = opened(browser, report, tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    rows = page.locator("#connections tbody tr:visible")
    assert rows.count() == 300
    page.fill("#words", report.connections[7].session)
    assert page.inner_text("#shown") == "1 of 300"
    assert "of 10,000 attempts" in page.inner_text("main")
    assert said == []
