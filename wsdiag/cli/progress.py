"""What stderr shows while evidence is read, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, current_thread, main_thread
from time import monotonic
from types import FrameType

from wsdiag.cli.streams import harmless, say
from wsdiag.progress import Progress, watched

PATIENCE_S, STEP_S = 1.0, 0.2
_LINE = 78  # characters; a longer line would wrap and stay
_CLEAR = "\r\x1b[K"


@contextmanager
def told(progress: Progress, *, shown: bool) -> Iterator[None]:
    """Show the progress on a terminal after a second; the first Ctrl-C only stops the reading."""
    over = Event()
    teller = Thread(target=_tell, args=(progress, over), daemon=True)
    with _stopping(progress), watched(progress):
        if shown and sys.stderr.isatty():
            teller.start()
        try:
            yield
        finally:
            over.set()
            if teller.is_alive():
                teller.join()


def line(progress: Progress, seconds: float) -> str:
    """How far it is after so many seconds, with the rate and the time that is left."""
    if progress.stopped:
        return "interrupted: judging what was read so far"
    if progress.note:
        return progress.note
    read, total = progress.read, progress.total
    if not total:
        return "finding the evidence"
    if not progress.name:
        return f"judging {_size(total)} of evidence"
    words = [f"reading {progress.name[-30:]}: {_size(read)} of {_size(total)}"]
    if read and seconds > 0:
        rate = read / seconds
        words += [f"{_size(rate)}/s", f"{_time((total - read) / rate)} left"]
    return ", ".join(words)


def _tell(progress: Progress, over: Event) -> None:
    begun, reading = monotonic(), None
    if over.wait(PATIENCE_S):
        return
    is_over = False
    while not is_over:
        if reading is None and progress.total:
            reading = max(begun, monotonic() - PATIENCE_S)
        text = harmless(line(progress, monotonic() - (reading or begun)))
        sys.stderr.write(f"{_CLEAR}{text[:_LINE]}")
        sys.stderr.flush()
        is_over = over.wait(STEP_S)
    sys.stderr.write(_CLEAR)
    sys.stderr.flush()


@contextmanager
def _stopping(progress: Progress) -> Iterator[None]:
    """Ctrl-C asks to stop reading; a second one ends the run. So does `kill`, in order: what the
    run put on the disk goes with it."""
    if current_thread() is not main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        progress.stopped = True
        say("interrupted: reporting what was read so far (Ctrl-C again: nothing)")

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.getsignal(signal.SIGINT)
    with _handled(signal.SIGINT, stop), _handled(signal.SIGTERM, end):
        yield


@contextmanager
def _handled(
    number: signal.Signals, handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Handle a signal meanwhile; not one that is ignored, as Ctrl-C is by what a shell runs in the
    background (POSIX, Shell Command Language 2.11): it is not meant for this run."""
    before = signal.getsignal(number)
    if before is not signal.SIG_IGN:
        signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
