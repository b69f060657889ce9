"""Frames that break RFC 6455.

What it finds: broken frames on the wire; a server, client or browser saying that the other side
broke the protocol; closes with 1002 (protocol error), 1003 (unsupported data), 1007 (invalid
payload) and 1010 (extension missing).
Why it matters: the receiver must fail the connection (RFC 6455 section 7.1.7), and the sender does
it again on the next one.
How it decides: by the rule that is broken, as the capture shows it or the library names it. Whoever
sends the Close is the one who complains.
What it cannot see: bytes lost in a capture can look like broken frames; the reader says where that
may be and reads on only behind a boundary that it can prove.
"""

from __future__ import annotations

import polars as pl

from wsdiag.connections import Story, counted, may_have_lived, number_of
from wsdiag.finding import UNMEASURED, Severity, clause, commonest, flag, plural, trait
from wsdiag.targets import Targets
from wsdiag.wordings import book, stated

ID = "protocol-violation"
TITLE = "The WebSocket protocol is broken"
NEEDS = (
    "no close codes, no error texts and no frames in the evidence: a capture or the server's or "
    "client's own log has them"
)

AT_ONCE, SEVERAL = pl.duration(seconds=1), 3
"""So many connections that break at one moment were not broken by their clients."""

CODES = (1002, 1003, 1007, 1010)
"""Close codes that blame the peer's frames (RFC 6455 section 7.4.1)."""

PROTOCOL_ERROR, INVALID_PAYLOAD = 1002, 1007

KIND_OF = {
    "close-code": "close code",
    "utf8": "text",
    "compression": "frames",
    "framing": "frames",
    "protocol-error": "frames",
    "unknown-command": "commands",
}
"""What is violated, by the mark of the words that say so; the narrower words first."""

RULES = {
    "masks": "mask",
    "opcodes": "opcode",
    "reserved bits": "rsv|reserved|inflate|header check|invalid (?:distance|block|stored block)",
    "fragments": "continuation|fragment|new message before|unfinished|fin must",
    "lengths": "length|longer",
}
"""What of a frame is broken, by what its texts say."""

RECEIVED = "(?i)\\breceived (?:a |an )?\\w+ close frame|frame: invalid status code"
"""Chrome and ws (Node) of a Close frame that came."""

SAYS = {wording.mark: wording.pattern for wording in book() if wording.detector == ID}


def judged(story: Story, targets: Targets) -> pl.LazyFrame:
    """How many connections showed their frames or their end."""
    shown = (pl.col("gone") & (pl.col("code").is_not_null() | pl.col("frameless"))) | (
        pl.col("messages_c2s") + pl.col("messages_s2c") > 0
    )
    return number_of(
        story.connections.filter(shown & may_have_lived()),
        "{} connections, none with a broken frame or a code that says so",
    )


def detect(story: Story, targets: Targets) -> pl.LazyFrame:
    """One finding for each kind of violation: one sender's masks are not another's opcodes."""
    code = commonest(pl.col("code"))
    at_once = pl.col("ended").max() - pl.col("ended").min() <= AT_ONCE
    return flag(
        _with_what(_complaints(story)),
        detector=ID,
        severity=Severity.ERROR,
        confidence=0.95,
        by=["_what", "_rule"],
        message=pl.format(
            "{} with broken frames{}{}",
            plural("connection"),
            clause(' ("{}")', pl.col("text").drop_nulls().first()),
            clause(", closed with {}", code),
        ),
        traits=(
            *(
                trait(mark, (_says(mark) & (pl.col("_what") == kind)).any())
                for mark, kind in KIND_OF.items()
            ),
            pl.format("code-{}", code),
            pl.format("complaint-of-{}", commonest(pl.col("closed_by"))),
            trait("came-to-clients", (_came_to() == "client").all()),
            trait("came-to-servers", (_came_to() == "server").all()),
            trait("at-once", (pl.col("session").n_unique() >= SEVERAL) & at_once),
        ),
    )


def _came_to() -> pl.Expr:
    """Who received the frame: who writes that it came, not that it may not be sent."""
    writer = pl.col("pointers").list.first().struct.field("vantage")
    return pl.when(pl.col("text").str.contains(RECEIVED)).then(writer).otherwise(pl.lit(""))


def _complaints(story: Story) -> pl.LazyFrame:
    """What is said of broken frames, and the ends whose code alone blames them."""
    # A client that closes with 1002 because of the answer to its handshake saw no frame.
    blamed = pl.col("code").is_in(CODES).fill_null(False) & ~pl.col("rejected")
    closed = counted(story.connections.filter(blamed)).select(
        "session",
        "code",
        "closed_by",
        text="reason",
        started="opened",
        ended=pl.coalesce("ended", "closed", "last_seen"),
        measured=UNMEASURED,
        pointers="closing",
    )
    # A refusal's reason is the handshake's.
    spoken = pl.col("kind").is_in(["error", "close", "end"])
    told = (
        stated(story.signs.filter(spoken), ID)
        .join(closed.select("session", "code", "closed_by"), on="session", how="left")
        .select(closed.collect_schema().names())
    )
    silent = closed.join(told.select("session"), on="session", how="anti")
    return pl.concat([told, silent], how="vertical_relaxed")


def _with_what(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows, with what is violated (`_what`), and of frames what is broken (`_rule`)."""
    code, text = pl.col("code"), pl.col("text")
    what = (
        *(pl.when(_says(mark)).then(pl.lit(kind)) for mark, kind in KIND_OF.items()),
        pl.when(code == INVALID_PAYLOAD).then(pl.lit("text")),
        pl.when(code == PROTOCOL_ERROR).then(pl.lit("frames")),
        pl.format("code {}", code),
    )
    rule = (
        pl.when(text.str.contains(f"(?i){words}")).then(pl.lit(of)) for of, words in RULES.items()
    )
    return rows.with_columns(_what=pl.coalesce(*what)).with_columns(
        _rule=pl.when(pl.col("_what") == "frames").then(pl.coalesce(*rule))
    )


def _says(mark: str) -> pl.Expr:
    return pl.col("text").str.contains(SAYS[mark])
