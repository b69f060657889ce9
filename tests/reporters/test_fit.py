"""--fit: what each place takes, what is left out first, and evidence that no place acts upon."""

from __future__ import annotations

import re

import msgspec
import pytest
import sample
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag.report import CheckItem, Outcome, Report, Verdict
from wsdiag.reporters import markdown, outline
from wsdiag.reporters.fit import fit
from wsdiag.reporters.places import GITHUB, JIRA, PLACES, SLACK, write

LIMITS = {
    "github": 65_536,
    "gitlab": 1_000_000,
    "jira": 32_767,
    "slack": 4_000,
    "pagerduty": 2_000,
}


TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def giant(times: int = 40) -> Report:
    """Hundreds of findings, causes, verdicts and files, each with a long text."""
    sick = sample.incident()
    long = "one hundred connections were cut while the café 😀 was open " * 20
    findings = [
        msgspec.structs.replace(finding, id=f"{number}{finding.id}", message=f"{number} {long}")
        for number in range(times * 8)
        for finding in sick.findings
    ]
    cause = msgspec.structs.replace(
        sick.causes[0],
        findings=[finding.id for finding in findings],
        symptoms="\n".join(f"- {finding.message}" for finding in findings[:9]),
        root_cause=f"{long}\n\n{long}",
        fix=f"Do this first.\n\n```nginx\nproxy_read_timeout 3600s;\n```\n\n{long * 4}",
        against=[long] * times,
    )
    return msgspec.structs.replace(
        sick,
        findings=findings,
        causes=[cause, *sick.causes[1:] * times],
        inputs=sick.inputs * times,
        verdicts=[Verdict(detector=f"d{n}", verdict=Outcome.PASS, why=long) for n in range(times)],
        checklist=[CheckItem(item=long, verdict="FAIL", why=long)] * times,
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["incident", "healthy", "hostile"])
def test_snapshot(snapshot, place: str, name: str) -> None:
    snapshot(f"{name}.fit-{place}.txt", fit(getattr(sample, name)(), place))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", [sample.incident, sample.healthy, sample.hostile, giant])
def test_the_limit_holds(place: str, make) -> None:
    text = fit(make(), place, "report.md")
    assert LIMITS[place] == PLACES[place].LIMIT
    assert len(text.encode("utf-16-le")) // 2 <= LIMITS[place]


@pytest.mark.parametrize("place", PLACES)
def test_the_cause_and_the_fix_are_always_there(place: str) -> None:
    text = fit(giant(), place)
    assert "The proxy closes idle tunnels after 60 s" in text
    assert "one hundred connections were cut" in text
    assert "proxy_read_timeout 3600s;" in text


@pytest.mark.parametrize("place", ["github", "jira", "slack", "pagerduty"])
def test_what_is_left_out_is_named_and_where_the_whole_is(place: str) -> None:
    last = fit(giant(), place, "whole report.md").splitlines()[-1]
    assert last.startswith(f"Left out or shortened to fit {PLACES[place].NAME}")
    assert "checklist" in last
    assert "whole report.md" in last


def test_where_no_file_was_written_the_command_is_told() -> None:
    assert "wsdiag PATH… -o report.md" in fit(giant(), "pagerduty").splitlines()[-1]


def test_what_fits_is_whole() -> None:
    report = sample.incident()
    assert fit(report, "github") == markdown.render(report)
    assert fit(report, "gitlab") == markdown.render(report)
    assert "Left out" not in fit(report, "jira")


@pytest.mark.parametrize("place", ["github", "jira"])
@pytest.mark.parametrize("times", [1, 5, 12, 40])
def test_no_table_is_cut(place: str, times: int) -> None:
    """Each table that is there has all the rows that it has where there is room."""
    report = giant(times)
    whole = "\n".join(write(block, PLACES[place]) for block in outline.blocks(report))
    assert set(TABLE.findall(fit(report, place))) <= set(TABLE.findall(f"{whole}\n"))


def test_less_room_never_shows_what_more_room_does_not() -> None:
    """What counts most stays longest."""
    shown = {
        name: {b.name for b in outline.blocks(sample.incident()) if _holds(name, b)}
        for name in ("pagerduty", "slack")
    }
    assert shown["pagerduty"] <= shown["slack"]


def _holds(name: str, block: outline.Block) -> bool:
    forms = [write(block, PLACES[name]), write(block, PLACES[name], short=True)]
    return any(form and form in fit(sample.incident(), name) for form in forms)


ATTACKS = [
    "<!channel>",
    "<!here|x>",
    "<@U024BE7LH>",
    "<http://evil.example|click>",
    "@channel @here",
    "http://evil.example/x",
    "{code}",
    "{html}<b>{html}",
    "{noformat}",
    "[~admin]",
    "[click|http://evil.example]",
    "!http://evil.example/p.png!",
    "```",
    "~~~",
    "`",
    "\\{html}",
    "h1. big",
    "bq. said",
    "----",
    "*b* _i_ ~s~ -d- +u+ ^p^ ??c??",
    "> quote",
    ":tada:",
    "||head||",
    "\u202egnp.exe\u2066",
    "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "</details><script>alert(1)</script>",
]
TEXTS = st.lists(st.sampled_from(ATTACKS) | st.text(max_size=8), max_size=6).map(" ".join)


@settings(deadline=None)
@given(TEXTS)
def test_jira_reads_words_only(text: str) -> None:
    """Behind every sign of markup stands its escape; a reference stands for what has none."""
    for shown in (JIRA.text(text), JIRA.code(text)[2:-2]):
        bare = re.sub(r"&(?:amp|lt|gt|#92|#47);|\\(?:_|[^\w\s])", "", shown)
        assert not re.search(r"[{}\[\]*_+^~?!|#&<>\\]|://", bare)
        assert not re.match(r"(?:h[1-6]|bq)\.", bare)
        assert "\n" not in shown


@settings(deadline=None)
@given(TEXTS)
def test_jira_code_is_left_by_its_own_end_only(text: str) -> None:
    inner = JIRA.fence(text, "text", 0).removeprefix("{noformat}\n").removesuffix("\n{noformat}")
    assert "{noformat" not in inner


@settings(deadline=None)
@given(TEXTS)
def test_slack_reads_words_only(text: str) -> None:
    """No angle bracket is left, and what Slack would act upon stands in code."""
    shown = SLACK.text(text)
    assert "<" not in shown
    assert ">" not in shown
    outside = re.sub(r"`[^`]+`", "", shown)
    assert not re.search(r"[`@]|://|:[a-z]+:|(?:^| )[*_~]\w+[*_~](?: |$)", outside)


@settings(deadline=None)
@given(TEXTS)
def test_slack_code_is_left_by_its_own_end_only(text: str) -> None:
    assert SLACK.code(text).count("`") in {0, 2}
    assert SLACK.fence(text, "", 0).count("```") == 2


@settings(deadline=None)
@given(TEXTS)
def test_a_fence_holds_everything(text: str) -> None:
    first, *inside, last = GITHUB.fence(text, "te xt`", 0).splitlines()
    assert last == re.match("`+", first)[0]
    assert not any(re.match(f" {{0,3}}{last}", line) for line in inside)


@pytest.mark.parametrize("place", PLACES)
def test_no_place_gets_controls_or_invisible_formatting(place: str) -> None:
    text = fit(sample.hostile(), place)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", text)
