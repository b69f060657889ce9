"""Which protocol fits where clients are unstable: a fallback beside the WebSocket."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.review.service import Service, stamp


def chat(users: int = 4, minutes: int = 4) -> Service:
    service = Service()
    for user in range(users):
        service.client(f"c{user}", f"u{user}", 0, 60 * minutes)
        for n in range(6 * minutes):
            service.up(1 + 10 * n, f"c{user}", {"type": "say", "topic": "room:1", "body": str(n)})
            service.down(2 + 10 * n, f"c{user}", {"type": "say", "topic": "room:1", "body": "x"})
    return service


def page(*states: tuple[float, str]) -> str:
    return "".join(f"{stamp(at)} info [ws] page {state} tab=t1\n" for at, state in states)


@pytest.mark.parametrize(
    ("states", "choice", "why"),
    [
        ([(5, "hidden"), (235, "visible")], "websocket", ""),
        ([(1, "hidden")], "websocket", ""),
        ([(100, "hidden"), (110, "visible")], "websocket", ""),
        (
            [
                (at, state)
                for n in range(4)
                for at, state in ((60 * n, "offline"), (60 * n + 5, "online"))
            ],
            "websocket+fallback",
            "offline 4 times",
        ),
    ],
    ids=["one of four pages", "one of four to the end", "for a moment", "offline again and again"],
)
def test_states_of_a_page(
    states: list[tuple[float, str]], choice: str, why: str, tmp_path: Path
) -> None:
    log = tmp_path / "console.log"
    log.write_text(page(*states))
    told = chat().review(tmp_path, None, log)
    assert told.protocol.choice == choice
    assert why in told.protocol.why


def test_pages_that_are_hidden_most_of_the_time(tmp_path: Path) -> None:
    logs = [tmp_path / f"console-{n}.log" for n in range(2)]
    for log in logs:
        log.write_text(page((10, "hidden"), (230, "visible")))
    told = chat().review(tmp_path, None, *logs)
    assert told.protocol.choice == "websocket+fallback"
    assert "hidden or frozen for 46% of the time" in told.protocol.why
    assert "Fall back to polling where the upgrade fails" in [step.title for step in told.steps]
