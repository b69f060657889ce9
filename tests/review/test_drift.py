"""When the messages of one event drift apart."""

from __future__ import annotations

import pytest

from wsdiag.review.drift import contradict, members, share


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("{a:string, b:integer}", "{a:string, b:integer, token:string}", False),
        ("{a:string, b:integer}", "{a:string, b:number}", False),
        ("{a:string, b:integer}", "{a:null, b:integer}", False),
        ("{a:string, b:integer}", "{a:string, b:string}", True),
        ("{a:string, b:integer}", "{x:string, y:integer}", True),
        ("{a:{x:string}, b:integer}", "{a:{x:string, y:string}, b:integer}", False),
        ("{a:{x:string}, b:integer}", "{a:{x:integer}, b:integer}", True),
        ("{a:[string]}", "{a:[]}", False),
        ("{a:string}", "string", True),
    ],
)
def test_contradictions(one: str, other: str, expected: bool) -> None:
    assert contradict(one, other) is expected
    assert contradict(other, one) is expected


def test_members() -> None:
    assert members("{a:{x:[string], y:{}}, b:integer}") == {
        "a": "{x:[string], y:{}}",
        "b": "integer",
    }
    assert members("{a:string, b:{cut") == {"a": "string"}
    assert members("integer") == {}


def test_share() -> None:
    assert share([]) == 0
    assert share([("{a:string}", 90), ("{a:string, b:null}", 5), ("{a:integer}", 5)]) == 0.05
