"""One book of templates for all logs of a run. It knows no reader of logs: captures need none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsdiag.sources.template_book import TemplateBook

_books: ContextVar[list[TemplateBook] | None] = ContextVar("template_book", default=None)


def current() -> list[TemplateBook] | None:
    """The book of this run, or room for it; None where none is shared."""
    return _books.get()


@contextmanager
def shared() -> Iterator[None]:
    """All logs that are read in here have one book; they are read by the same formats."""
    token = _books.set([])
    try:
        yield
    finally:
        _books.reset(token)
