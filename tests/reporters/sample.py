"""Reports made by hand: an ordinary incident, a healthy run, and one full of hostile text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from wsdiag.finding import Evidence, Finding, Severity
from wsdiag.report import (
    CheckItem,
    Disagreement,
    Facts,
    Input,
    Investigation,
    Life,
    Moment,
    Outcome,
    Quantiles,
    Redaction,
    Report,
    RootCause,
    Span,
    Verdict,
    Window,
)

START = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)

HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07 [bold]b[/bold] `tick` ``two"
    " a|b \\| <script>alert(1)</script> <img src=x> ![p](http://evil.example/p.png)"
    " [l](https://evil.example) www.evil.example @admin #1 *s* _e_ ~~d~~ $x$ &lt;\n# Head\r\n- item"
    "\u202egnp.exe \u2028\x07\x9b31m --- {{ 7 * 7 }}"
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def proof(source: str, pos: int, excerpt: str, seconds: float = 0) -> Evidence:
    return Evidence(source=source, pos=pos, ts=at(seconds), vantage="proxy", excerpt=excerpt)


def incident() -> Report:
    """Idle tunnels cut by nginx after 60 s, seen in the access log and on the wire."""
    lines = [
        proof(
            "nginx/access.log",
            118 + 7 * place,
            f'172.18.0.{place} - [04/Mar/2026:10:0{place}:00] "GET /ws" 101 rt=60.00{place}',
            60 * place,
        )
        for place in range(5)
    ]
    idle = Finding(
        id="3f2a9c0d1e4b",
        detector="idle-cut",
        severity=Severity.ERROR,
        confidence=0.93,
        subject="fleet",
        started=at(60),
        ended=at(840),
        count=312,
        measured=60.004,
        target=None,
        unit="s",
        message="312 connections ended 60.0 s after their last byte; the proxy sent the first FIN",
        evidence=[*lines, proof("wire.pcapng", 812, "10.0.0.2:8080 to 10.0.0.9:51234 FIN", 60)],
    )
    slow = Finding(
        id="aa02bb13cc24",
        detector="reconnect-time",
        severity=Severity.WARNING,
        confidence=0.8,
        subject="fleet",
        started=at(90),
        ended=at(700),
        count=14,
        measured=41.27,
        target=30.0,
        unit="s",
        message="14 clients needed more than 30 s to come back; the slowest took 41.3 s",
        evidence=[proof("client.har", 3, "GET /ws 101", 101)],
    )
    return Report(
        tool="wsdiag 0.1.0",
        window=Window(asked=Span(), covered=Span(since=at(0), until=at(900.25))),
        inputs=[
            Input(
                path="nginx/access.log",
                sha256="0" * 64,
                bytes=120_412,
                source="nginx/access.log",
                format="nginx-access",
                vantage="proxy",
                events=1_204,
                unread_lines=3,
                first=at(0),
                last=at(900),
                clock_offset_ms=-7000.0,
                clock_error_ms=40.0,
                clock_drift_ppm=52.4,
                clock_drift_error_ppm=9.0,
                clock_anchors=240,
                clock_against="wire.pcapng",
            ),
            Input(
                path="wire.pcapng",
                sha256="1" * 64,
                bytes=9_120_412,
                source="wire.pcapng",
                format="pcapng",
                vantage="network",
                events=20_114,
                unread_lines=0,
                first=at(0),
                last=at(900.25),
                clock_offset_ms=0.0,
                clock_error_ms=0.0,
                clock_against="wire.pcapng",
            ),
            Input(
                path="notes.bin",
                sha256="2" * 64,
                bytes=12,
                source="notes.bin",
                format="unreadable",
                vantage=None,
                events=0,
                unread_lines=0,
                first=None,
                last=None,
                remarks=["no source knows this format"],
            ),
        ],
        facts=Facts(
            connections=340,
            attempts=361,
            rejections={"401": 12, "503": 2},
            refused=7,
            close_codes={"none": 312, "1000": 28},
            ends={"fin": 330, "rst": 10},
            reconnects=298,
            attempts_max_per_10s=24,
            attempts_max_per_10s_one_client=3,
            connect_ms=Quantiles(n=340, p50=12.1, p95=34.56, p99=60.0, max=88.0),
            reconnect_s=Quantiles(n=298, p50=3.0, p95=29.0, p99=40.0, max=41.27),
        ),
        verdicts=[
            Verdict(detector="idle-cut", verdict=Outcome.BREACH, why="312 connections cut idle"),
            Verdict(
                detector="reconnect-time", verdict=Outcome.BREACH, why="14 of 298 took over 30 s"
            ),
            Verdict(
                detector="connect-latency", verdict=Outcome.PASS, why="p95 34.6 ms < 100 ms target"
            ),
            Verdict(detector="token-expiry", verdict=Outcome.PASS, why="no credential had expired"),
            Verdict(
                detector="missed-heartbeat",
                verdict=Outcome.NOT_APPLICABLE,
                why="an access log cannot see pings; collect: `tcpdump -w wire.pcap port 8080`",
            ),
            Verdict(
                detector="server-stall",
                verdict=Outcome.NOT_APPLICABLE,
                why="no server log was given",
            ),
            Verdict(
                detector="resource-limit",
                verdict=Outcome.NOT_APPLICABLE,
                why="no server log was given",
            ),
            Verdict(detector="max-age", verdict=Outcome.ERROR, why="the input ended in mid-record"),
        ],
        findings=[idle, slow],
        failing=[idle.id, slow.id],
        causes=[
            RootCause(
                id="proxy-idle-timeout",
                title="The proxy closes idle tunnels after 60 s",
                confidence=0.93,
                word="confirmed",
                share=0.92,
                findings=[idle.id],
                why="nginx closed 312 connections after 60 s of silence.",
                advice="Set `proxy_read_timeout 3600s` for the WebSocket; ping every 20 s.",
                against=["the client never speaks, so idle time and age are the same"],
                supported=["the server counts connections that are gone"],
                symptoms="312 of 340 connections ended 60 s after their last byte, without a\n"
                "Close frame; clients report 1006 and come back within 41 s.",
                investigation=Investigation(
                    server_logs="`nginx/access.log` holds 312 lines with status 101 and\n"
                    "`request_time` of 60.0 s.",
                    network="- the proxy sends the first FIN\n- no Close frame crosses the wire",
                    client="Nothing: no client log or HAR was given.",
                ),
                root_cause="nginx closed each tunnel 60 s after the last byte: `proxy_read_timeout`"
                " is at its default.\nNothing sends a heartbeat in that time.",
                fix="Send a heartbeat more often than every 60 s, or raise the timeout:\n\n"
                "```nginx\nlocation /ws {\n    proxy_read_timeout  3600s;\n}\n```\n\n"
                "- **uvicorn**: `--ws-ping-interval 20`\n"
                "- **ws** (Node): call `ping()` [every 30 s](https://github.com/websockets/ws)",
                prevention="1. Keep the ping interval below half of the smallest idle timeout on"
                " the way.\n2. Alert on 101 lines whose `request_time` is 60 s.",
            ),
            RootCause(
                id="slow-reconnect",
                title="Clients wait too long before they come back",
                confidence=0.55,
                word="possible",
                share=0.04,
                findings=[slow.id],
                against=[],
                why="The client's backoff grows to 40 s.",
                advice="Cap the backoff at 20 s.",
                symptoms="14 clients took more than 30 s.",
                investigation=Investigation(server_logs="-", network="-", client="-"),
                root_cause="The client's backoff grows to 40 s. It is not capped.",
                fix="Cap the backoff at 20 s.",
                prevention="Test the reconnect time.",
            ),
        ],
        disagreements=[
            Disagreement(
                kind="code-lost",
                title="a close code that was sent did not reach the other side's API",
                message="the server sent 1011, the client's API says 1006",
                count=12,
                evidence=[
                    proof("wire.pcapng", 640, "close s2c 1011 keepalive ping timeout", 62),
                    proof("console.log", 31, "[ws] close code=1006", 62.2),
                ],
            )
        ],
        life=Life(
            session="s-1f0c",
            vantages=["client", "network"],
            moments=[
                Moment(
                    ts=at(2),
                    since_s=0.0,
                    delta_s=0.0,
                    vantage="network",
                    kind="open",
                    dir="s2c",
                    code=101,
                    what="/live",
                    pointer="wire.pcapng#12",
                ),
                Moment(
                    ts=at(62.06),
                    since_s=60.06,
                    delta_s=60.06,
                    vantage="client",
                    kind="close",
                    dir=None,
                    code=1006,
                    what="",
                    pointer="console.log:31",
                    unsure=True,
                ),
            ],
        ),
        checklist=[CheckItem(item="Close codes read", verdict="pass", why="on the wire")],
        redactions=[
            Redaction(rule="token", source="nginx/access.log", count=340),
            Redaction(rule="ip", source="wire.pcapng", count=12),
        ],
    )


def healthy() -> Report:
    """Nothing wrong: no findings, one cause without share."""
    sick = incident()
    fine = RootCause(
        id="healthy",
        title="No fault found",
        confidence=0.8,
        word="probable",
        share=0.0,
        findings=[],
        against=[],
        why="340 connections, all within the targets that could be judged.",
        advice="Nothing.",
        symptoms="All 340 connections met their targets.",
        investigation=Investigation(server_logs="Clean.", network="Clean.", client="Not given."),
        root_cause="Nothing in the evidence breaks a target.",
        fix="Nothing to fix.",
        prevention="Keep the evidence as a baseline.",
    )
    return msgspec.structs.replace(
        sick,
        findings=[],
        causes=[fine],
        failing=[],
        verdicts=[v for v in sick.verdicts if v.verdict is Outcome.PASS],
        checklist=[],
        redactions=[],
    )


def hostile() -> Report:
    """The incident with `HOSTILE` in every text that can come from evidence."""
    sick = incident()
    findings = [
        msgspec.structs.replace(
            finding,
            subject=HOSTILE,
            message=HOSTILE,
            evidence=[
                msgspec.structs.replace(item, source=HOSTILE, excerpt=HOSTILE)
                for item in finding.evidence
            ],
        )
        for finding in sick.findings
    ]
    return msgspec.structs.replace(
        sick,
        inputs=[
            msgspec.structs.replace(item, path=HOSTILE, source=HOSTILE, remarks=[HOSTILE])
            for item in sick.inputs
        ],
        verdicts=[msgspec.structs.replace(v, why=HOSTILE) for v in sick.verdicts],
        findings=findings,
        causes=[
            msgspec.structs.replace(c, against=[HOSTILE], symptoms=f"- {HOSTILE}\n- the end")
            for c in sick.causes
        ],
        disagreements=[
            msgspec.structs.replace(
                told,
                message=HOSTILE,
                evidence=[
                    msgspec.structs.replace(item, source=HOSTILE, excerpt=HOSTILE)
                    for item in told.evidence
                ],
            )
            for told in sick.disagreements
        ],
        life=Life(
            session=HOSTILE,
            vantages=["client"],
            moments=[
                msgspec.structs.replace(moment, what=HOSTILE, pointer=HOSTILE)
                for moment in (sick.life.moments if sick.life else [])
            ],
        ),
        facts=msgspec.structs.replace(sick.facts, ends={HOSTILE: 3}),
        redactions=[msgspec.structs.replace(r, source=HOSTILE) for r in sick.redactions],
    )
