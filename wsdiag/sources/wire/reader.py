"""A capture read batch by batch: each connection by itself until nothing but frames is left to be
read of it, then all of these together.

A connection of which nobody reads anything is passed over, but for what ends it or begins another.
"""

from __future__ import annotations

from bisect import bisect_left
from io import BufferedIOBase

import numpy as np

from wsdiag import progress
from wsdiag.capture.packets.batch import Ints
from wsdiag.capture.packets.batches import BATCH_BYTES, placed
from wsdiag.capture.packets.headers import Mask, Traffic, decode
from wsdiag.capture.packets.index import Index
from wsdiag.capture.packets.keys import Keys
from wsdiag.capture.packets.records import Notes
from wsdiag.capture.packets.segments import FIN, RST, SYN, Segment
from wsdiag.capture.tcp.streams import connection, over, take
from wsdiag.sources.wire.book import Book
from wsdiag.sources.wire.many import read_together
from wsdiag.sources.wire.story import Story

_ROUNDS = 8
"""So often ends may begin anew within a batch before their segments are read one by one."""


class CaptureReader:
    """Reads a capture, or several files of one that follow one another, into a book.

    `packets` is how many were read: those of a file are numbered on from the file before.
    """

    def __init__(self, book: Book) -> None:
        self.packets = 0
        self._last = Notes().last  # pos, ts of the latest packet
        self._book = book
        self._keys = Keys()
        self._stories: dict[int, Story] = {}  # the latest of each pair of ends
        self._upwards: dict[int, bool] = {}  # whether the first of its ends is the lower one

    def read(self, stream: BufferedIOBase, notes: Notes, batch_bytes: int = BATCH_BYTES) -> Index:
        """Read a file; where its packets are."""
        before, far, index = self.packets, progress.current(), Index()
        for place, batch in placed(stream, notes, batch_bytes):
            self.packets = before + int(batch.pos[-1])
            traffic = decode(batch._replace(pos=batch.pos + before), notes)
            keys, up = self._keys.find(traffic.segments)
            index.add(place, traffic, keys)
            self._take_batch(traffic, keys, up)
            if not far.goes_on(stream.tell()):
                break
        notes.tell_passed_over()
        pos, ts = notes.last
        if pos and ts >= self._last[1]:
            self._last = pos + before, ts
        return index

    def _take_batch(self, traffic: Traffic, keys: Ints, up: Mask) -> None:
        beginning = set(keys[traffic.segments.flags & SYN != 0].tolist())
        waiting = {int(keys[index[0]]): index for index in _groups(keys)}
        for key, index in waiting.items():
            waiting[key] = self._by_itself(key, index, traffic, up)
        for _ in range(_ROUNDS):
            waiting = {key: index for key, index in waiting.items() if index.size}
            if not waiting:
                return
            together = {}
            for key, index in waiting.items():
                stop = index.size
                if key in beginning:
                    begins = np.flatnonzero(traffic.segments.flags[index] & SYN)
                    stop = int(begins[0]) if begins.size else stop
                together[key], waiting[key] = index[:stop], index[stop:]
            self._together(together, traffic, up)
            for key, index in waiting.items():
                waiting[key] = self._by_itself(key, index, traffic, up)
        for key, index in waiting.items():
            self._by_itself(key, index, traffic, up, to_the_end=True)

    def finish(self) -> None:
        """Nothing more comes."""
        for story in sorted(self._stories.values(), key=lambda story: story.conn.begun):
            self._over(story)

    def _by_itself(
        self, key: int, index: Ints, traffic: Traffic, up: Mask, to_the_end: bool = False
    ) -> Ints:
        """Read segments of one pair of ends; those that are left to be read with others."""
        if not index.size:
            return index
        story = self._stories.get(key)
        if story and not to_the_end and _is_for_others(story, traffic, int(index[0])):
            return index
        lower, higher = self._keys.ends(key)
        flags = traffic.segments.flags[index]
        telling = [*np.flatnonzero(flags & (SYN | FIN | RST)).tolist(), index.size]
        numbers, upwards, at = index.tolist(), up[index].tolist(), 0
        while at < index.size:
            story = self._stories.get(key)
            if story is None:
                pass
            elif story.is_ignored:
                stop = telling[bisect_left(telling, at)]
                if stop > at:
                    story.conn.last = _when(traffic, numbers[stop - 1])
                    at = stop
                    continue
            elif not to_the_end and _is_for_others(story, traffic, numbers[at]):
                return index[at:]
            ends = (lower, higher) if upwards[at] else (higher, lower)
            self._take(key, traffic.segment(numbers[at], *ends))
            at += 1
        return index[:0]

    def _take(self, key: int, segment: Segment) -> None:
        story = self._stories.get(key)
        conn = connection(story.conn if story else None, segment)
        if story is None or conn is not story.conn:
            if story is not None:
                self._over(story)
            story = self._stories[key] = Story(conn, self._book)
            self._upwards[key] = conn.ends[0] == self._keys.ends(key)[0]
        for fact in take(conn, segment):
            story.take(fact)

    def _over(self, story: Story) -> None:
        for fact in over(story.conn):
            story.take(fact)
        story.finish(*(story.conn.last if story.conn.replaced else self._last))

    def _together(self, groups: dict[int, Ints], traffic: Traffic, up: Mask) -> None:
        """Read segments of connections of which only frames are left to be read."""
        self._book.next_round()
        stories = [self._stories[key] for key in groups]
        lanes = [
            2 * number + (up[index] != self._upwards[key])
            for number, (key, index) in enumerate(groups.items())
        ]
        lane, index = np.concatenate(lanes), np.concatenate([*groups.values()])
        order = _sorted(lane)
        read_together(stories, traffic, index[order], lane[order], self._book)
        for story, of_story in zip(stories, groups.values(), strict=True):
            story.conn.last = _when(traffic, int(of_story[-1]))
        self._book.next_round()


def _is_for_others(story: Story, traffic: Traffic, index: int) -> bool:
    """Whether a segment of a connection is to be read together with those of others."""
    return not story.is_ignored and story.is_plain and not traffic.segments.flags[index] & SYN


def _when(traffic: Traffic, index: int) -> tuple[int, int]:
    return traffic.pos.item(index), traffic.ts.item(index)


def _groups(keys: Ints) -> list[Ints]:
    """The indices of each key, in order."""
    order = _sorted(keys)
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if keys.size else []


def _sorted(numbers: Ints) -> Ints:
    """The order of small numbers; sorting 16 bits at a time is much faster."""
    order = np.argsort((numbers & 0xFFFF).astype(np.uint16), kind="stable")
    high = numbers >> 16
    if high.any():
        order = order[np.argsort(high[order].astype(np.uint16), kind="stable")]
    return order
