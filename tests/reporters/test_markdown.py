"""Markdown: the debug template, and evidence that stays inert whatever it holds."""

from __future__ import annotations

import re

import msgspec
import pytest
import sample
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from wsdiag.report import Outcome, Report, Verdict
from wsdiag.reporters import markdown, prose
from wsdiag.reporters.nodes import Block
from wsdiag.reporters.nodes import own as parse
from wsdiag.reporters.places import GITHUB, write
from wsdiag.reporters.wording import flat

GFM = MarkdownIt("gfm-like", {"linkify": False, "html": True})
TEMPLATE = [
    r"^## WebSocket Debug: \S",
    r"^### Symptoms$",
    r"^### Investigation$",
    r"^1\. Server logs: *\S?",
    r"^2\. Network tab: *\S?",
    r"^3\. Client state: *\S?",
    r"^### Root Cause$",
    r"^### Fix$",
    r"^### Prevention$",
]


@pytest.mark.parametrize("name", ["incident", "healthy", "hostile"])
def test_snapshot(snapshot, name: str) -> None:
    snapshot(f"{name}.md", markdown.render(getattr(sample, name)()))


@pytest.mark.parametrize("make", [sample.incident, sample.healthy, sample.hostile])
def test_the_template_heading_for_heading(make) -> None:
    text = markdown.render(make())
    places = [re.search(pattern, text, re.MULTILINE) for pattern in TEMPLATE]
    assert all(places)
    starts = [place.start() for place in places]
    assert starts == sorted(starts)
    assert starts[0] == 0


def test_an_ordinary_incident_fits_a_ticket() -> None:
    assert len(markdown.render(sample.incident())) < 6_000


def test_hostile_evidence_makes_no_markup() -> None:
    """Nothing holds links, images or foreign headings; all HTML folds our own details."""
    tokens = _flatten(GFM.parse(markdown.render(sample.hostile())))
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "html_inline", "image", "hr"}
    html = "".join(token.content for token in tokens if token.type == "html_block")
    assert set(re.findall(r"<[^>]*>", html)) == {
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
    }
    headings = [t.content for t in tokens if t.type == "inline" and t.content.startswith("Head")]
    assert not headings


def test_hostile_cells_do_not_break_a_table() -> None:
    tokens = GFM.parse(markdown.render(sample.hostile()))
    widths, cells = [], 0
    for token in tokens:
        if token.type == "tr_open":
            cells = 0
        cells += token.type in {"td_open", "th_open"}
        if token.type == "tr_close":
            widths.append(cells)
    report = sample.hostile()
    expected = [3] * (1 + len(report.verdicts)) + [6] * (1 + len(report.inputs))
    assert widths == expected + [3] * (1 + len(report.checklist))


def test_a_place_is_cited_once() -> None:
    sick = sample.incident()
    proof = sick.findings[0].evidence[0]
    finding = msgspec.structs.replace(sick.findings[0], evidence=[proof] * 5)
    text = markdown.render(msgspec.structs.replace(sick, findings=[finding]))
    assert text.count("- `nginx/access.log:118`") == 1


def test_long_lists_say_how_much_more() -> None:
    sick = sample.incident()
    inputs = [msgspec.structs.replace(sick.inputs[0], source=f"{n}.log") for n in range(33)]
    text = markdown.render(msgspec.structs.replace(sick, inputs=inputs))
    assert "… and 13 more" in text
    assert "`19.log`" in text
    assert "`20.log`" not in text


def test_a_reason_is_cut_not_dropped() -> None:
    long = Verdict(detector="idle-cut", verdict=Outcome.BREACH, why="w" * 500)
    text = markdown.render(msgspec.structs.replace(sample.incident(), verdicts=[long]))
    assert "w" * 199 + "…" in text


def test_code_span_longer_than_any_run_inside() -> None:
    assert prose.code("a``b`c") == "```a``b`c```"
    assert prose.code("`x`") == "`` `x` ``"
    assert prose.code("") == ""


HOSTILE_TEXT = st.text(
    alphabet=st.sampled_from(list("`\\|<>[]()!*_~#@&$:/. -+=1aw\n\t\x1b\u202e")), max_size=40
) | st.text(max_size=40)


@settings(deadline=None)
@given(HOSTILE_TEXT)
def test_inert_text_reads_as_it_is(text: str) -> None:
    shown = prose.inert(text)
    assert "\n" not in shown
    tokens = _flatten(GFM.parse(f"x {shown}"))
    assert {t.type for t in tokens} <= {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "text",
        "code_inline",
        "text_special",
    }
    read = "".join(t.content for t in tokens if t.type in {"text", "code_inline", "text_special"})
    assert _bare(read) == _bare("x" + flat(text))


@settings(deadline=None)
@given(HOSTILE_TEXT)
def test_inert_text_opens_no_block(text: str) -> None:
    kinds = {token.type for token in GFM.parse(prose.inert(text))}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline"}


@settings(deadline=None)
@given(HOSTILE_TEXT)
def test_a_cell_stays_one_cell(text: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {prose.cell(prose.inert(text))} | end |\n"
    cells = [token for token in GFM.parse(table) if token.type == "td_open"]
    assert len(cells) == 2
    assert table.rstrip().endswith("| end |")


@settings(deadline=None)
@given(HOSTILE_TEXT)
def test_code_holds_everything(text: str) -> None:
    tokens = _flatten(GFM.parse(f"x {prose.code(text)} y"))
    spans = [token.content for token in tokens if token.type == "code_inline"]
    assert [_bare(span) for span in spans] == ([_bare(flat(text))] if flat(text) else [])


def test_own_text_keeps_its_code_and_loses_html() -> None:
    text = "Use <host>:\n\n```html\n<b>\n```\n\nand `<i>`, not ![x](y)."
    assert own(text) == "Use `<host>:`\n\n```html\n<b>\n```\n\nand `<i>`, not `![x](y).`"


def test_own_text_is_unwrapped_outside_code() -> None:
    text = "a\nb\n\n- c\n  d\n- e\n\n```\nf\ng\n```\nh"
    assert own(text) == "a b\n\n- c d\n- e\n\n```\nf\ng\n```\n\nh"


def test_what_own_text_quotes_from_evidence_is_no_markup() -> None:
    """A finding's message and a file's name stand in our own sentences."""
    report = sample.hostile()
    text = f"**It** was {report.findings[0].message} (`{report.inputs[0].source}`)."
    tokens = _flatten(GFM.parse(own(text, report)))
    assert not {token.type for token in tokens} & {"link_open", "image", "html_inline", "s_open"}
    assert [token.type for token in tokens].count("strong_open") == 1


def own(text: str, report: Report | None = None) -> str:
    nodes = tuple(parse(text, report or sample.incident()))
    return write(Block("text", 1, nodes), GITHUB)


def _bare(text: str) -> str:
    """The characters that are read; a code span may gain or lose spaces and backticks."""
    return re.sub(r"[\s`]", "", text)


def _flatten(tokens: list[Token]) -> list[Token]:
    flat_list: list[Token] = []
    for token in tokens:
        flat_list += [token, *(token.children or [])]
    return flat_list
