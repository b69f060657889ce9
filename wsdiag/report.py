"""The one result object: everything any reporter may say stands here (`wsdiag.report/1`)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from wsdiag.finding import Evidence, Finding
from wsdiag.targets import Targets

SCHEMA = "wsdiag.report/1"
RECORD_FORMATS = frozenset({"pcap", "pcapng", "har", "netlog"})
"""Formats without lines: their pointers are `name#record`, all others `name:line`."""


class Outcome(StrEnum):
    """What a detector can say about the evidence as a whole."""

    BREACH = "breach"
    PASS = "pass"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time; null where it is open."""

    since: datetime | None = None
    until: datetime | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for and what the evidence covers."""

    asked: Span
    covered: Span


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines of a log; the other four add up to `read`.

    `parsed` gave events, `continuation` belong to another line (a part of it, of a record over
    several lines, of a traceback), `ignored` are about something else, `unread` are broken.
    """

    read: int = 0
    parsed: int = 0
    continuation: int = 0
    ignored: int = 0
    unread: int = 0


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One file of evidence and what became of it.

    `clock_offset_ms` is this source's time minus the reference's for the same instant, in the
    middle of what both saw; it and `clock_error_ms` are null where nothing tied the two clocks
    together. `clock_drift_ppm` says how the offset grows, in microseconds a second, null where no
    drift is seen. `clock_zone_min` is the part of the offset that is a difference of time zones.
    `clock_anchors` counts the moments that told it, `clock_against` names the source they were
    compared with: the reference, which names itself, or one that is tied to it. `lines` is of logs
    only. `log` is the newest file of the rotated log of which this is one file, null for any other.
    """

    path: str
    sha256: str
    bytes: int
    source: str
    format: str
    vantage: str | None
    events: int
    unread_lines: int
    first: datetime | None
    last: datetime | None
    clock_offset_ms: float | None = None
    clock_error_ms: float | None = None
    clock_drift_ppm: float | None = None
    clock_drift_error_ppm: float | None = None
    clock_zone_min: int | None = None
    clock_anchors: int = 0
    clock_against: str | None = None
    remarks: list[str] = []
    lines: Lines | None = None
    log: str | None = None


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution in five numbers, all null but `n` where nothing was measured."""

    n: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """The law by which clients wait between attempts, null where too little was seen.

    `law`: immediate, fixed, jittered (fixed with jitter) or growing. `jitter`: present, none or
    first (on the first wait only). Waits in seconds; `library` is the one whose defaults fit.
    """

    law: str | None = None
    jitter: str | None = None
    clients: int = 0
    wait_s: float | None = None
    longest_s: float | None = None
    library: str | None = None


class MemoryCost(msgspec.Struct, frozen=True, kw_only=True):
    """What logs that state memory show of its cost, in bytes; null where they do not.

    For each live connection, each connection ever made (what it leaves behind), and each live
    subscription.
    """

    samples: int = 0
    per_connection_bytes: float | None = None
    per_connect_bytes: float | None = None
    per_subscription_bytes: float | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One measure over time: `values[i]` is of the step that begins `i * step_s` after `start`.

    `name`: opens and closes (counts), connect_ms, message_ms and reconnect_s (the 95th percentile
    of the step, null where nothing was measured). All series of a report share start, step and
    length; there are at most 40 steps.
    """

    name: str
    unit: str
    start: datetime
    step_s: float
    values: list[float | None]


TIMED = {
    "stated": "as stated",
    "answer": "until answered",
    "fan-out": "until delivered",
    "echo": "until echoed",
}
"""How the latency of messages was measured: a source states it; from a request to the answer with
its id; from what one client publishes to what another receives with the same id; from a text to its
echo."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers over all connections.

    `close_codes` counts connections by the code that the initiator put in its Close frame,
    "none" where no Close frame came. `left_apart` are sessions that may be those of another source,
    and are joined with none because nothing says which. `message_how_ms` has the message latencies
    by how they were measured (`TIMED`).
    """

    connections: int = 0
    attempts: int = 0
    rejections: dict[str, int] = {}
    refused: int = 0
    close_codes: dict[str, int] = {}
    ends: dict[str, int] = {}
    reconnects: int = 0
    attempts_max_per_10s: int = 0
    attempts_max_per_10s_one_client: int = 0
    connect_ms: Quantiles = Quantiles()
    message_ms: Quantiles = Quantiles()
    message_how_ms: dict[str, Quantiles] = {}
    pong_ms: Quantiles = Quantiles()
    reconnect_s: Quantiles = Quantiles()
    backoff: Backoff = Backoff()
    memory: MemoryCost = MemoryCost()
    left_apart: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One detector's verdict, always given, always with its why."""

    detector: str
    verdict: Outcome
    why: str


class Investigation(msgspec.Struct, frozen=True, kw_only=True):
    """The three places an engineer looks."""

    server_logs: str
    network: str
    client: str


class RootCause(msgspec.Struct, frozen=True, kw_only=True):
    """One named cause with the debug template's sections, filled with this incident's numbers.

    `confidence` runs from 0 to 0.97; `share` is the part of the troubled connections it explains;
    `findings` are the ids that speak for it, `against` what speaks against it, in words,
    and `supported` what speaks for it besides the findings: where sources contradict each other.
    `why` and `advice` are the answer in short, in Markdown: a sentence each, at most 75 characters
    long as printed, so that it stands on one line of a terminal.
    """

    id: str
    title: str
    confidence: float
    word: str
    share: float
    findings: list[str]
    against: list[str]
    symptoms: str
    investigation: Investigation
    root_cause: str
    fix: str
    prevention: str
    supported: list[str] = []
    why: str = ""
    advice: str = ""


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """What two sources contradict each other in, folded over all connections of which it is true.

    `kind` is one of wsdiag.disagreements.KINDS. `evidence` holds pairs: a pointer to what the one
    says, then one to what the other says, of at most three connections.
    """

    kind: str
    title: str
    message: str
    count: int
    evidence: list[Evidence]


class CheckItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item of the debug method's checklist."""

    item: str
    verdict: str
    why: str


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """How often one rule hid something in one source."""

    rule: str
    source: str
    count: int


class Directions(msgspec.Struct, frozen=True, kw_only=True):
    """A number for each way: client to server, server to client."""

    c2s: int = 0
    s2c: int = 0


class LastBytes(msgspec.Struct, frozen=True, kw_only=True):
    """When each side was last heard; null where nobody saw it."""

    c2s: datetime | None = None
    s2c: datetime | None = None


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One connection, or one attempt that failed, as all who saw it tell.

    `key` is the Sec-WebSocket-Key, a nonce and no secret: the join that anyone can check.
    `closed_by` is client, server, proxy, network or unknown, null while it lives. `close_code` is
    the initiator's; `reported` is what each source said. Times are on the reference's clock.
    """

    session: str
    user: str | None
    key: str | None
    client_port: int | None
    path: str | None
    attempted: datetime | None
    opened: datetime | None
    status: int | None
    refused: bool
    handshake_ms: float | None
    messages: Directions
    pings: int
    last_byte: LastBytes
    closed: datetime | None
    closed_by: str | None
    close_code: int | None
    reason: str | None
    reported: dict[str, int | None]
    end: str | None
    ended: datetime | None
    idle_s: float | None
    duration_s: float | None
    reconnected_after_s: float | None
    vantages: list[str]
    sources: list[str]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One event in the life of a connection; seconds since its first event and since the last.

    `unsure`: the event before was told by another source, and both are nearer to each other than
    twice the error of their clocks, or nothing ties these: which came first is not known.
    `borrowed`: the line states no time, `ts` is that of a line beside it (`wsdiag timeline`).
    """

    ts: datetime | None
    since_s: float | None
    delta_s: float | None
    vantage: str
    kind: str
    dir: str | None
    code: int | None
    what: str
    pointer: str
    unsure: bool = False
    borrowed: bool = False


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """The connection that tells most of the fault, as all who saw it tell: its beginning, its end
    and what was last heard before, on one clock."""

    session: str
    vantages: list[str]
    moments: list[Moment]


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one kind that one vantage saw, in seconds since the lane began."""

    vantage: str
    kind: str
    dir: str | None
    at_s: list[float]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as a line of time: from its first event to its last, with at most 60 marks of
    the same kind, the last ones."""

    session: str
    since: datetime
    until: datetime
    findings: list[str]
    marks: list[Marks]


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """How many abnormal ends stood at which time of a clock: `counts[i]` from `edges_s[i]` on, for
    `step_s` seconds.

    `clock`: idle (silence before the end), age (of the connection), token (from its expiry to the
    end, negative before it) or wall (the time of the end, in seconds since 1970 UTC).
    """

    clock: str
    edges_s: list[float]
    counts: list[int]
    step_s: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. `causes` is ranked: the first is the answer.

    `failing` are the ids of the findings that fail a run, by their severity and `--fail-on`;
    `targets` are those of connections without targets of their own. `issue` is the title that the
    user gave. `connections` are at most 300, the worst first, and `lanes` at most 40 of them;
    `life` is that of one which most sides tell.
    `redacted` is false where the user asked for the evidence as it is: such a report stays at home.
    """

    schema: str = SCHEMA
    tool: str
    window: Window
    inputs: list[Input]
    facts: Facts
    verdicts: list[Verdict]
    findings: list[Finding]
    causes: list[RootCause]
    checklist: list[CheckItem]
    redactions: list[Redaction]
    redacted: bool = True
    failing: list[str] = []
    targets: Targets = Targets()
    issue: str = ""
    series: list[Series] = []
    connections: list[Connection] = []
    lanes: list[Lane] = []
    clocks: list[Histogram] = []
    disagreements: list[Disagreement] = []
    life: Life | None = None

    def pointer(self, evidence: Evidence) -> str:
        """Write a proof pointer as `wsdiag show` takes it."""
        return pointer(evidence.source, evidence.pos, self._format(evidence.source))

    def _format(self, source: str) -> str:
        return next((item.format for item in self.inputs if item.source == source), "")


def pointer(source: str, pos: int, format_id: str) -> str:
    """`server.log:1234` for lines, `wire.pcapng#812` for records."""
    return f"{source}{'#' if format_id in RECORD_FORMATS else ':'}{pos}"
