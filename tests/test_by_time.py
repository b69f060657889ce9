"""What only its moments tie: the columns tell the same apart as the plain rules do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sightings import START, seen

from wsdiag.connections.left_apart import SAME_MOMENT
from wsdiag.sessions.beginnings import Beginnings
from wsdiag.sessions.by_time import clear_endings, clear_pairs
from wsdiag.sessions.lifecycle import apart
from wsdiag.sessions.sightings import Families, Sighting, contradict


@st.composite
def lives(draw: st.DrawFn) -> list[Sighting]:
    some = draw(st.integers(2, 12))
    return [
        seen(
            (draw(st.sampled_from(["a.log", "b.log", "c.pcap"])), f"conn-{n}"),
            draw(st.integers(0, 6000)),
            draw(st.none() | st.integers(0, 4000)),
            vantage=draw(st.sampled_from(["server", "network"])),
            outcome=draw(st.sampled_from(["open", "rejected"])),
            user=draw(st.sampled_from([None, "u-1", "u-2"])),
            code=draw(st.sampled_from([None, 1000, 1006, 4401])),
        )
        for n in range(some)
    ]


def can_be(one: Sighting, other: Sighting, families: Families) -> bool:
    """The rules, one by one."""
    mine, yours = families.family(one), families.family(other)
    return (
        one.source != other.source
        and one.outcome == other.outcome
        and apart(one.opened, other.opened) <= SAME_MOMENT
        and apart(one.ended, other.ended) <= SAME_MOMENT
        and not contradict(one, other)
        and (mine is yours or mine.lives.isdisjoint(yours.lives))
        and not any(
            here.alive and there.ended and here.alive - there.ended > SAME_MOMENT
            for here, there in ((mine, yours), (yours, mine))
        )
    )


@given(lives(), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=4))
def test_rivals_are_those_that_the_rules_leave(
    some: list[Sighting], united: list[tuple[int, int]]
) -> None:
    order = sorted(some, key=lambda one: one.opened or START)
    families = Families(order)
    for one, other in united:
        if max(one, other) < len(order):
            families.unite(order[one], order[other])
    begun = Beginnings(order, families)
    for row, one in enumerate(order):
        found = begun.rivals(row)
        rows = [rival for rivals in found.values() for _, rival in rivals]
        expected = {at for at, other in enumerate(order) if can_be(one, other, families)}
        assert set(rows) == expected
        assert len(rows) == len(expected)
        for source, rivals in found.items():
            assert {begun.source(rival) for _, rival in rivals} == {source}
            assert [distance for distance, _ in rivals] == sorted(d for d, _ in rivals)


def test_the_clearly_nearest_is_a_pair_and_what_stands_between_two_is_none() -> None:
    one, two = seen(("a.log", "conn-1"), 0, 900), seen(("b.log", "conn-9"), 3, 901)
    far = seen(("b.log", "conn-8"), 1500, 100)
    assert list(clear_pairs([one, two, far], Families([one, two, far]))) == [(one, two)]
    beside = seen(("b.log", "conn-7"), 5, 902)
    assert not list(clear_pairs([one, two, beside], Families([one, two, beside])))


def test_whose_partner_there_is_known_is_not_also_its_neighbour() -> None:
    near = seen(("lb.log", "10.0.0.7:1"), 0, 9000, vantage="proxy", peer="10.0.0.7:1")
    next_to_it = seen(("lb.log", "10.0.0.8:1"), 1700, 7900, vantage="proxy", peer="10.0.0.8:1")
    pod = seen(("pod.log", "conn-1"), 1, 8998)
    families = Families([near, next_to_it, pod])
    families.unite(near, pod)
    assert not list(clear_pairs([near, pod, next_to_it], families))


def test_an_end_that_only_a_proxy_tells_is_the_only_connection_s_that_ended_then() -> None:
    live = seen(("app.log", "conn-1"), 0, 5000)
    end = seen(("nginx.log", "*7"), None, 5200, vantage="proxy", outcome=None)
    assert list(clear_endings([live, end], Families([live, end]))) == [(live, end)]
    second = seen(("app.log", "conn-2"), 100, 5000)
    assert not list(clear_endings([live, second, end], Families([live, second, end])))
