"""HTTP/1.1 requests and answers as they pass (RFC 9112).

One reader takes one message; what follows the message is in `rest`. Read by h11 is what heads.py
leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from wsdiag.capture.http import heads

if TYPE_CHECKING:  # it takes its time: it is imported where it is needed
    import h11

MAX_HEAD = 256 * 1024
"""Bytes; a longer head is not read."""

BODY_BYTES = 200
"""So much of a body is kept: a rejection explains itself at its beginning."""


class Request(NamedTuple):
    """An HTTP request; header names in lower case, `pos` and `ts` where its head was complete.

    Of a head that the snaplen cut off, which is not `whole`, the target may be empty.
    """

    method: str
    target: str
    headers: dict[str, str]
    pos: int
    ts: int
    whole: bool = True

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket.

        A proxy that drops the hop-by-hop header Upgrade still passes Sec-WebSocket-Key on.
        """
        asked = "websocket" in self.headers.get("upgrade", "").lower()
        return asked or "sec-websocket-key" in self.headers

    @property
    def is_extended(self) -> bool:
        """Whether it asks over HTTP/2 (RFC 8441 section 4): a plain CONNECT asks for no upgrade."""
        return self.method == "CONNECT" and self.is_upgrade

    @property
    def is_polling(self) -> bool:
        """Whether it belongs to Socket.IO's fallback without WebSocket."""
        return "socket.io" in self.path or "transport=polling" in self.target


class Response(NamedTuple):
    """The final answer to `request`; `body` is its beginning."""

    request: Request
    status: int
    phrase: str
    headers: dict[str, str]
    body: bytes
    pos: int
    ts: int
    whole: bool = True  # its head

    @property
    def opens(self) -> bool:
        """Whether a WebSocket begins: with 101, and over HTTP/2 with any success (RFC 8441 §5)."""
        return self.status == 101 or (self.request.is_extended and 200 <= self.status < 300)

    def explanation(self) -> str:
        """What a rejection says of itself: its body where that is plain text, else its phrase.

        The Content-Type is no guide: Engine.IO calls its JSON text/html.
        """
        text = self.body.decode("utf-8", "replace").strip()
        plain = text and not text.startswith("<") and "\ufffd" not in text[:-3]
        return text if plain and "content-encoding" not in self.headers else self.phrase


class UnreadableError(ValueError):
    """The bytes are not HTTP/1.x."""


class RequestReader:
    """Reads one request."""

    def __init__(self) -> None:
        self._http: h11.Connection | None = None
        self._head: Request | None = None
        self._so_far = b""  # of the head, which may be cut off
        self._rest = b""

    def cut(self, pos: int, ts: int) -> Request | None:
        """The request as far as its first line tells, where what comes next is not captured."""
        if self._head is not None:  # its body was cut
            return self._head
        head = heads.cut_request(self._so_far)
        return head and Request("GET", head.told, head.headers, pos, ts, whole=False)

    def feed(self, data: bytes, pos: int, ts: int) -> Request | None:
        """Take bytes; the request when it is complete. Raises `UnreadableError`."""
        if self._http is None and (head := heads.request(data)):
            self._rest = head.rest
            return Request("GET", head.told, head.headers, pos, ts)
        self._so_far += data[: MAX_HEAD - len(self._so_far)]
        import h11

        if self._http is None:
            self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        for event in _events(self._http, data):
            if isinstance(event, h11.Request):
                self._head = Request(
                    event.method.decode("latin-1"),
                    event.target.decode("latin-1"),
                    joined(event.headers),
                    pos,
                    ts,
                )
            elif isinstance(event, h11.EndOfMessage):
                return self._head
        return None

    @property
    def rest(self) -> bytes:
        """What came after the request."""
        return self._http.trailing_data[0] if self._http else self._rest


class ResponseReader:
    """Reads the final answer to one request, `keep` bytes of its body."""

    def __init__(self, request: Request, keep: int = BODY_BYTES) -> None:
        self._request, self._keep = request, keep
        self._http: h11.Connection | None = None
        self._answer: Response | None = None
        self._so_far = b""  # of the head, which may be cut off
        self._rest = b""
        if request.method != "GET":
            self._http = self._begun()

    def cut(self, pos: int, ts: int) -> Response | None:
        """The answer as far as its first line tells, where what comes next is not captured."""
        if self._answer is not None or (head := heads.cut_answer(self._so_far)) is None:
            return self._answer
        status, phrase = head.told[:3], head.told[4:]
        at = (head.headers, b"", pos, ts)
        return Response(self._request, int(status), phrase, *at, whole=False)

    def _begun(self) -> h11.Connection:
        """What reads the answer to this request. Raises `UnreadableError`."""
        import h11

        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        # h11 reads an answer by what was asked; a proposal to switch lets it accept a 101.
        headers = [("host", "-"), ("connection", "upgrade"), ("upgrade", "websocket")]
        try:
            http.send(h11.Request(method=self._request.method, target="/", headers=headers))
            http.send(h11.EndOfMessage())
        except h11.LocalProtocolError as problem:
            raise UnreadableError(str(problem)) from None
        return http

    def feed(self, data: bytes, pos: int, ts: int) -> Response | None:
        """Take bytes, none at the end of the stream; the answer when it is complete.

        Raises `UnreadableError`.
        """
        if self._http is None:
            if head := heads.switching(data):
                self._rest = head.rest
                return Response(self._request, 101, head.told, head.headers, b"", pos, ts)
            self._http = self._begun()
        if self._answer is None:
            self._so_far += data[: MAX_HEAD - len(self._so_far)]
        import h11

        for event in _events(self._http, data):
            if isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == 101
            ):
                self._answer = Response(
                    self._request,
                    event.status_code,
                    event.reason.decode("latin-1"),
                    joined(event.headers),
                    b"",
                    pos,
                    ts,
                )
                if event.status_code == 101 or self._opens_tunnel(event.status_code):
                    return self._answer
            elif isinstance(event, h11.Data) and self._answer:
                if len(self._answer.body) < self._keep:
                    body = self._answer.body + bytes(event.data)
                    self._answer = self._answer._replace(body=body[: self._keep])
            elif isinstance(event, h11.EndOfMessage):
                return self._answer
        return None

    def _opens_tunnel(self, status: int) -> bool:
        """An answer to CONNECT has no body (RFC 9110 §9.3.6)."""
        return self._request.method == "CONNECT" and 200 <= status < 300

    @property
    def partial(self) -> Response | None:
        """The answer as far as it is known, when its body is not complete."""
        return self._answer

    @property
    def rest(self) -> bytes:
        """What came after the answer."""
        return self._http.trailing_data[0] if self._http else self._rest


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones are joined by commas (RFC 9110 §5.3)."""
    told: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        told[key] = f"{told[key]}, {text}" if key in told else text
    return told


def _events(http: h11.Connection, data: bytes) -> list[h11.Event]:
    import h11

    found: list[h11.Event] = []
    try:
        http.receive_data(data)
        while True:
            event = http.next_event()
            if not isinstance(event, h11.Event):  # NEED_DATA or PAUSED
                return found
            found.append(event)
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return found
    except (h11.ProtocolError, ValueError, RuntimeError) as problem:
        if found:  # h11 raises again at the next bytes
            return found
        raise UnreadableError(str(problem)) from None
