"""Every cause file parses, and its sections render whatever the incident knew or did not know."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import pytest
from jinja2 import Template

from wsdiag import timers
from wsdiag.cause import Cause
from wsdiag.explain import environment, load_causes, seconds
from wsdiag.finding import Finding, Severity
from wsdiag.report import Facts, Quantiles
from wsdiag.sources.context.stack_marks import STACK_MARKS
from wsdiag.targets import Targets

WRITTEN = {
    "app-handshake-timeout",
    "backpressure-ignored",
    "cdn-edge-drop",
    "client-churn",
    "client-crash",
    "client-gave-up-reconnecting",
    "clock-skew",
    "cloud-lb-idle-timeout",
    "connect-timeout-overload",
    "credentials-rejected",
    "event-loop-blocked",
    "expired-token-reused",
    "fd-exhaustion",
    "framing-violation",
    "gc-pause",
    "half-open",
    "handler-crash",
    "handshake-redirected",
    "haproxy-timer",
    "head-of-line-blocking",
    "healthy",
    "heartbeat-missing",
    "heartbeat-too-slow",
    "hidden-shorter-timer",
    "hidden-tab-throttling",
    "http2-handshake-trouble",
    "invalid-utf8",
    "lost-messages",
    "max-connection-age",
    "mesh-drain",
    "message-too-big",
    "middlebox-interference",
    "misleading-normal-close",
    "mtu-black-hole",
    "nagle-delayed-ack",
    "nothing-listening",
    "origin-rejected",
    "out-of-memory-kill",
    "over-subscription",
    "packet-loss",
    "peer-gone",
    "pong-not-read",
    "port-exhaustion",
    "protocol-version-mismatch",
    "proxy-idle-timeout",
    "proxy-reload",
    "pubsub-backend-lost",
    "queueing",
    "rate-limited",
    "reconnect-storm",
    "reconnect-too-slow",
    "reserved-close-code",
    "server-batching",
    "server-crash",
    "server-idle-timeout",
    "server-restart",
    "session-displaced",
    "silent-flow-expiry",
    "slow-connect",
    "slow-consumer",
    "sticky-session-missing",
    "subprotocol-mismatch",
    "subscription-leak",
    "thin-evidence",
    "tls-failure",
    "token-expired-midstream",
    "unknown",
    "upgrade-not-forwarded",
    "worker-killed",
    "zero-window",
}
"""The public ids. A file added to the folder is added here, on purpose."""

WITHOUT_SOURCES = {"healthy", "unknown"}

FORMATS = files("wsdiag") / "formats"
STACKS = sorted(
    {
        *STACK_MARKS.values(),
        *(stack for timer in timers.catalogue() for stack in timer.stacks),
        *(
            tomllib.loads(each.read_text("utf-8"))["stack"]
            for each in FORMATS.iterdir()
            if each.name.endswith(".toml")
        ),
    }
)
"""Every program that the readers recognise."""

NOT_TO_BE_SET = re.compile("cannot be (raised|set)|by itself")

DETECTORS = [
    "token-expiry",
    "missed-heartbeat",
    "connect-latency",
    "message-latency",
    "reconnect-time",
    "abnormal-close",
    "handshake-rejected",
    "connection-refused",
    "idle-cut",
    "max-age",
    "slow-consumer",
    "message-too-big",
    "protocol-violation",
    "path-loss",
    "tls-failure",
    "reconnect-storm",
    "mass-close",
    "server-stall",
    "resource-limit",
    "delivery-gap",
]

MARKS = {
    "abnormal-close:application-unknown",
    "connection-refused:backend",
    "connection-refused:lasting",
    "connection-refused:name-unknown",
    "connection-refused:never-open",
    "connection-refused:other-route",
    "connection-refused:others-lived",
    "connection-refused:passing",
    "connection-refused:served-later",
    "connection-refused:server-stopped",
    "handshake-rejected:insecure-page",
    "handshake-rejected:library-missing",
    "handshake-rejected:nginx-limits",
    "handshake-rejected:not-to-take-over",
    "handshake-rejected:old-engine",
    "handshake-rejected:rate-limit-said",
    "handshake-rejected:sid-unknown",
    "handshake-rejected:sockjs",
    "handshake-rejected:sid-served-elsewhere",
    "handshake-rejected:status-401",
    "handshake-rejected:upgrade-lost",
    "idle-cut:haproxy-flag",
    "idle-cut:hop-known",
    "idle-cut:idle-equals-age",
    "idle-cut:proxy-timer-logged",
    "idle-cut:silence-at-most",
    "mass-close:death-logged",
    "mass-close:kill-logged",
    "mass-close:no-close-frame",
    "mass-close:proxy-stopped",
    "mass-close:restart-code",
    "mass-close:shutdown-logged",
    "max-age:in-use",
    "max-age:limit-logged",
    "max-age:with-close-frame",
    "message-too-big:limit-of-client",
    "message-too-big:limit-of-server",
    "missed-heartbeat:acked",
    "missed-heartbeat:not-acked",
    "missed-heartbeat:clients-silent",
    "missed-heartbeat:spoke-again",
    "path-loss:suspended",
    "protocol-violation:came-to-clients",
    "protocol-violation:came-to-servers",
    "protocol-violation:code-1003",
    "protocol-violation:code-1010",
    "protocol-violation:compression",
    "reconnect-storm:no-backoff",
    "reconnect-storm:no-jitter",
    "reconnect-time:failed-tries",
    "reconnect-time:no-failed-tries",
    "resource-limit:conntrack",
    "resource-limit:worker-connections",
    "server-stall:request-limit",
    "slow-consumer:client-is-slow",
    "slow-consumer:memory-grew",
    "slow-consumer:queue-full",
    "slow-consumer:server-is-slow",
    "slow-consumer:stated",
    "slow-consumer:zero-window",
    "tls-failure:certificate-expired",
    "tls-failure:certificate-name",
    "tls-failure:certificate-untrusted",
    "tls-failure:client-certificate",
    "tls-failure:cut-short",
    "tls-failure:plain-text",
    "tls-failure:to-backend",
    "token-expiry:at-exp",
    "token-expiry:refused-after",
    "token-expiry:repeated",
    "token-expiry:same-token-again",
}

FOLDER = files("wsdiag") / "causes"
NAMES = sorted(f.name.removesuffix(".md") for f in FOLDER.iterdir() if f.name.endswith(".md"))


def read(name: str) -> Cause:
    return load_causes()[name]


@cache
def section(name: str, heading: str) -> Template:
    return environment().from_string(read(name).sections[heading])


def finding(detector: str, measured: float | None = 60.06, unit: str = "s") -> Finding:
    return Finding(
        id="0123456789ab",
        detector=detector,
        severity=Severity.ERROR,
        confidence=0.9,
        subject="fleet",
        started=datetime(2026, 11, 22, 10, 15, 2, 118000, UTC) if measured else None,
        ended=None,
        count=5,
        measured=measured,
        target=None,
        unit=unit,
        message=f"{detector} was seen on 5 connections.",
        evidence=[],
    )


def context(**known: object) -> dict[str, object]:
    nothing: dict[str, object] = {
        "facts": Facts(),
        "explained": 0,
        "them": "connections",
        "again": "",
        "troubled": 0,
        "share": 0.0,
        "found": {},
        "marks": set(),
        "stacks": set(),
        "targets": Targets(),
        "cite": lambda detector: "",
        "silence": None,
        "silent": "",
        "age": None,
        "every": 20,
        "timers": [],
        "candidates": [],
        "deciding": {},
        "missing": [],
        "unjudged": [],
    }
    return nothing | known


def everything(**known: object) -> dict[str, object]:
    spread = Quantiles(n=40, p50=12.0, p95=31.5, p99=44.0, max=61.2)
    facts = Facts(
        connections=63,
        attempts=300,
        rejections={"400": 4, "401": 12, "403": 1, "502": 3},
        refused=120,
        close_codes={"1001": 20, "1011": 3, "1012": 4, "4401": 9, "none": 5},
        ends={"fin": 30, "rst": 4},
        reconnects=41,
        attempts_max_per_10s=240,
        attempts_max_per_10s_one_client=17,
        connect_ms=spread,
        message_ms=spread,
        pong_ms=spread,
        reconnect_s=spread,
    )
    full = {
        "facts": facts,
        "explained": 41,
        "them": "41 connections",
        "again": " (1 of 3)",
        "troubled": 63,
        "share": 41 / 63,
        "found": {detector: finding(detector) for detector in DETECTORS},
        "marks": MARKS,
        "cite": lambda detector: "`nginx-error.log:12`, `wire.pcap#812`",
        "silence": 60.06,
        "silent": "at most 60.1 s",
        "age": 7200.4,
        "every": 20,
        "timers": timers.matching(60.06, ("idle", "age")),
        "deciding": {"peer-gone": "a capture beside the server"},
        "candidates": [("peer-gone", "The peer is gone", 0.42), ("half-open", "Half-open", 0.4)],
        "missing": ["a packet capture of the server's side", "the client's log"],
        "unjudged": [("missed-heartbeat", "no source shows ping frames")],
    }
    return context(**(full | known))


def incidents() -> list[tuple[str, Callable[[], dict[str, object]]]]:
    return [
        ("nothing known", context),
        ("everything known", everything),
        ("all stacks", lambda: everything(stacks=set(STACKS))),
        *((f"only {stack}", lambda s=stack: context(stacks={s})) for stack in STACKS),
        *((f"all on {stack}", lambda s=stack: everything(stacks={s})) for stack in STACKS),
        *((f"only the mark {mark}", lambda m=mark: context(marks={m})) for mark in sorted(MARKS)),
        (
            "findings without numbers",
            lambda: everything(facts=Facts(), found={d: finding(d, None, "") for d in DETECTORS}),
        ),
        (
            "findings in milliseconds",
            lambda: everything(found={d: finding(d, 25300.0, "ms") for d in DETECTORS}),
        ),
        (
            "findings in bytes, one connection",
            lambda: everything(found={d: finding(d, 2e6, "bytes") for d in DETECTORS}, explained=1),
        ),
        ("a short timer", lambda: everything(found={"idle-cut": finding("idle-cut", 1.5)})),
    ]


def prose(text: str) -> str:
    """The text without its code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`", "`…`", text)


def faults(text: str) -> list[str]:
    words = prose(text)
    fences = re.findall(r"^```(\w*)$", text, re.MULTILINE)
    checks = {
        "empty": not text.strip(),
        "a stray None": re.search(r"\bNone\b", words),
        "template syntax": re.search(r"\{\{|\{%|\{#|%\}|#\}", text),
        "two spaces in a row": re.search(r"\S {2,}\S", words),
        "a space before punctuation": re.search(r" [,;.](\s|$)| :(\s|$)", words),
        "a space at a line's end": re.search(r" $", text, re.MULTILINE),
        "an empty bullet": re.search(r"^\s*- *$", text, re.MULTILINE),
        "two empty lines": "\n\n\n" in text,
        "unbalanced fences": len(fences) % 2 or any(fences[1::2]),
        "an empty code block": re.search(r"^```\w*\n\s*```$", text, re.MULTILINE),
        "a line too long": any(len(line) > 160 for line in text.splitlines()),
        "a fence without an empty line before it": re.search(r"[^\n]\n```\w+\n", text),
        "an empty pair of brackets": re.search(r" \(\)", words),
    }
    return [fault for fault, seen in checks.items() if seen]


def test_the_folder_holds_what_the_list_names() -> None:
    assert set(NAMES) == WRITTEN


def test_every_shared_fix_is_used_by_some_cause() -> None:
    """Written out in place: no include is left in a section, and none is written for nobody."""
    texts = [f.read_text("utf-8") for f in FOLDER.iterdir() if f.name.endswith(".md")]
    texts += [f.read_text("utf-8") for f in (FOLDER / "fixes").iterdir()]
    for shared in (FOLDER / "fixes").iterdir():
        assert any(f"{{% include '{shared.name}' %}}" in text for text in texts), shared.name
    assert not any("{% include" in body for name in NAMES for body in read(name).sections.values())


@pytest.mark.parametrize("name", NAMES)
def test_front_matter(name: str) -> None:
    cause = read(name)
    assert cause.id == name
    assert 3 <= len(cause.title) <= 70
    assert not cause.title.endswith(".")
    assert bool(cause.sources) is (name not in WITHOUT_SOURCES)
    for source in cause.sources:
        assert re.fullmatch(r"https://\S+|[\w.-]+/[\w.-]+@\S+", source), source


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("incident", [pytest.param(make, id=what) for what, make in incidents()])
def test_every_section_renders(name: str, incident: Callable[[], dict[str, object]]) -> None:
    for heading in read(name).sections:
        text = section(name, heading).render(incident()).strip()
        assert faults(text) == [], f"{name}, {heading}:\n{text}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("heading", ["Why", "Advice"])
def test_the_short_answer_is_one_sentence_that_fits_a_terminal(name: str, heading: str) -> None:
    """80 columns, less the label before it; whatever is known and for every program and mark."""
    each = [*(make() for _, make in incidents()), everything(them="12345 connections")]
    each += [everything(marks=MARKS - {mark}) for mark in sorted(MARKS)]
    for incident in each:
        said = " ".join(section(name, heading).render(incident).replace("`", "").split())
        assert len(said) <= 75, f"{len(said)}: {said}"
        assert said.endswith("."), said


@pytest.mark.parametrize("name", NAMES)
def test_sections_stay_short(name: str) -> None:
    for heading in read(name).sections:
        for stack in ("", *STACKS):
            text = section(name, heading).render(everything(stacks={stack} - {""}))
            lines = [line for line in prose(text).splitlines() if line.strip()]
            allowed = 12 if heading != "Root cause" or name != "unknown" else 30
            assert len(lines) <= allowed, f"{name}, {heading}, {stack}:\n{text}"


@pytest.mark.parametrize("name", NAMES)
def test_prevention_is_one_to_three_bullets(name: str) -> None:
    for incident in (context(), everything(), everything(stacks=set(STACKS))):
        text = section(name, "Prevention").render(incident)
        bullets = text.strip().splitlines()
        assert 1 <= len(bullets) <= 3
        assert all(bullet.startswith("- ") for bullet in bullets), text


@pytest.mark.parametrize("name", NAMES)
def test_every_term_is_one_that_a_detector_can_say(name: str) -> None:
    body = "\n".join(read(name).sections.values())
    asked = re.findall(r"'([\w-]+:[\w-]+)' in marks", body)
    assert set(asked) <= MARKS
    detectors = re.findall(r"cite\('([\w-]+)'\)|found\.get\('([\w-]+)'\)", body)
    assert {a or b for a, b in detectors} <= set(DETECTORS)


@pytest.mark.parametrize("name", NAMES)
def test_a_recognised_program_gets_no_less_than_an_unknown_one(name: str) -> None:
    """Where a Fix shows code at all, it shows some for every program, or says that none helps."""
    unknown = section(name, "Fix").render(everything(stacks=set()))
    if "```" in unknown:
        for stack in STACKS:
            said = section(name, "Fix").render(everything(stacks={stack}))
            assert "```" in said or NOT_TO_BE_SET.search(said), f"{name}, {stack}:\n{said}"


def test_numbers_of_the_incident_are_printed() -> None:
    text = section("proxy-idle-timeout", "Root cause")
    said = text.render(everything(stacks={"nginx"}))
    assert "nginx closed 41 connections first" in said
    assert seconds(60.06) in said
    assert "`wire.pcap#812`" in said


def test_a_known_stack_gets_only_its_own_fix() -> None:
    text = section("proxy-idle-timeout", "Fix")
    said = text.render(context(stacks={"ingress-nginx", "nginx", "gorilla"}))
    assert "proxy-read-timeout" in said
    assert "proxy_read_timeout" not in said
    assert "PingMessage" in said
    assert "uvicorn" not in said
