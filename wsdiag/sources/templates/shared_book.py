"""One book of templates for all logs of a run. It knows no reader of logs: captures need none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

Book = TypeVar("Book")

_books: ContextVar[list[object] | None] = ContextVar("template_book", default=None)


def opened(new: Callable[[], Book]) -> Book:
    """The book of this run, which the first log begins; a new one where none is shared."""
    books = _books.get()
    if books is None:
        return new()
    if not books:
        books.append(new())
    return cast(Book, books[0])


@contextmanager
def shared() -> Iterator[None]:
    """All logs that are read in here have one book; they are read by the same formats."""
    token = _books.set([])
    try:
        yield
    finally:
        _books.reset(token)
