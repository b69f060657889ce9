"""What HTTP on a connection tells: handshakes and polling as rows, plain fetches for a review."""

from __future__ import annotations

from typing import Any

from wsdiag.capture.http.handshake import broken_rules, credential, trace
from wsdiag.capture.http.http1 import Request, Response
from wsdiag.capture.http.http2 import Ended
from wsdiag.event import Kind
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.page import Page, took


def who_asks(book: Book, request: Request) -> dict[str, Any]:
    """Columns that identify a handshake and who asks for it."""
    return {
        "name": book.mask(request.path),
        "key": book.mask(request.headers.get("sec-websocket-key")),
        "trace": trace(request.headers, book.redactor),
        **credential(request.target, request.headers)._asdict(),
    }


def poll(page: Page, request: Request) -> None:
    """The request of a transport without WebSocket."""
    columns = who_asks(page.book, request)
    page.row(Kind.REQUEST, page.client, request.pos, request.ts, **columns)


def answered(page: Page, answer: Response) -> None:
    """The answer to any request."""
    request, told = answer.request, dict[str, Any]()
    if answer.status >= 400 or (request.is_upgrade and not answer.opens):
        told["reason"] = page.book.redactor.reason(answer.explanation())
    if request.is_upgrade:
        what = Kind.OPEN if answer.opens else Kind.REJECTED
        began = page.began[1]
        told |= {"peer": page.peer, **who_asks(page.book, request)}
    elif request.is_polling:
        what, began = Kind.RESPONSE, request.ts
        told["name"] = page.book.mask(request.path)
    else:
        _note_fetch(page, answer)
        return
    if what is Kind.OPEN:
        _note_handshake(page, answer)
    if what is not Kind.REJECTED:
        told["ms"] = took(began, answer.ts)
    side = 1 - page.client
    page.row(what, side, answer.pos, answer.ts, code=answer.status, **told)
    if what is Kind.OPEN:
        for rule in broken_rules(answer):
            page.row(Kind.ERROR, side, answer.pos, answer.ts, reason=rule)


def reset(page: Page, ended: Ended) -> None:
    """A server that takes requests for WebSockets over HTTP/2 resets the stream of one."""
    told = {"reason": f"RST_STREAM {ended.error}", "peer": page.peer}
    page.row(Kind.REJECTED, ended.side, ended.pos, ended.ts, **told)


def _note_handshake(page: Page, answer: Response) -> None:
    if (notebook := page.book.notebook) is None:
        return
    request = answer.request
    source, _ = page.book.place(request.pos)
    of = (source, page.name, page.host, request.target)
    notebook.handshake(*of, request.headers, answer.headers)


def _note_fetch(page: Page, answer: Response) -> None:
    """A plain HTTP exchange, which no diagnosis asks for."""
    if (notebook := page.book.notebook) is None:
        return
    request, headers = answer.request, answer.headers
    size = headers.get("content-length", "")
    notebook.fetch(
        *page.book.place(request.pos),
        request.ts,
        page.host,
        request.method,
        request.target,
        answer.status,
        took(request.ts, answer.ts),
        answer.body,
        media=headers.get("content-type", ""),
        encoding=headers.get("content-encoding", ""),
        size=int(size) if size.isdecimal() else None,
    )
