"""What is advised for which traffic, and what is not."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from tests.review.page import Page, needed, verdicts
from wsdiag.cli import main
from wsdiag.config import Config, ConfigError
from wsdiag.limits import Limits
from wsdiag.reporters.review import VIEWS
from wsdiag.reviewing import review


def order(number: int, **more: Any) -> dict[str, Any]:
    thing = {"id": number, "status": "paid", "total": 12.5, "customer": "c-9", "items": 3}
    return {
        "topic": f"order:{number}",
        "event": "UPDATED",
        "data": {
            "entity_id": number,
            "payload": thing,
            "timestamp": "2026-01-05T10:00:00Z",
        },
        "trace_id": f"t-{number}",
        **more,
    }


def test_a_chat_keeps_its_socket_and_needs_nothing(tmp_path: Path) -> None:
    page = Page()
    page.get(0.1, "/api/rooms/42", {"id": 42, "name": "lounge"})
    for n in range(60):
        message = {"type": "chat.message", "topic": "room:42", "id": n, "body": f"hello {n}"}
        (page.up if n % 3 == 0 else page.down)(1 + 2 * n, message)
    told = page.review(tmp_path)
    assert (told.protocol.choice, told.protocol.verdict) == ("websocket", "not-needed")
    assert needed(told) == set()
    assert told.steps == []
    assert (told.sync.in_use, told.sync.verdict) == ("direct", "not-decidable")
    assert told.protocol.confidence <= 0.7
    assert (told.facts.c2s_app_messages, told.facts.s2c_app_messages) == (20, 40)


def test_a_feed_may_be_server_sent_events(tmp_path: Path) -> None:
    page = Page()
    page.up(0.5, {"type": "subscribe", "topic": "price:ACME"})
    for n in range(90):
        page.down(1 + n, {"type": "price", "topic": "price:ACME", "id": "ACME", "value": n})
    told = page.review(tmp_path)
    assert told.protocol.choice == "sse"
    assert told.facts.s2c_app_messages == 90
    assert told.facts.messages_per_s_per_client == pytest.approx(90 / 90, rel=0.02)
    assert [cost.way for cost in told.protocol.costs] == ["websocket", "sse", "polling"]


def test_an_update_every_two_minutes_may_be_polled(tmp_path: Path) -> None:
    page = Page()
    for n in range(8):
        page.down(120 * n + 5, {"type": "status", "topic": "build:7", "id": 7, "state": n})
    told = page.review(tmp_path)
    assert told.protocol.choice == "polling"
    assert told.protocol.measured["updates_per_min_per_client"] < 1


def test_too_little_is_not_decided(tmp_path: Path) -> None:
    page = Page()
    page.down(1, {"type": "status", "id": 7})
    page.down(9, {"type": "status", "id": 7})
    told = page.review(tmp_path)
    assert told.protocol.choice is None
    assert any("collect" in text for text in told.collect)


def test_signals_with_gets_are_invalidation(tmp_path: Path) -> None:
    """Three signals at once, three GETs of the same list: it wants to be debounced."""
    page = Page()
    page.get(0.2, "/api/orders/7", {"id": 7, "status": "new"})
    for burst in range(10):
        for n in range(4):
            at = 5 + 10 * burst + n / 10
            page.down(at, {"type": "order.changed", "topic": "order:7", "id": 7})
            page.get(at + 0.02, "/api/orders/7", {"id": 7, "status": f"s{burst}", "total": n})
    told = page.review(tmp_path)
    assert told.sync.in_use == "invalidation"
    assert needed(told) == {"debounce"}
    assert told.facts.refetches == 40
    assert told.facts.refetch_ratio == pytest.approx(1.0, rel=0.02)


def test_what_the_message_brought_needs_no_get(tmp_path: Path) -> None:
    page = Page()
    for n in range(30):
        message = order(n)
        page.down(5 + 2 * n, message)
        page.get(5.1 + 2 * n, f"/api/orders/{n}", message["data"]["payload"])
    told = page.review(tmp_path)
    assert needed(told) == {"direct-update"}
    assert told.facts.overlap == 1.0
    assert "requests/s" in next(o.saving for o in told.optimisations if o.id == "direct-update")


def test_direct_updates_are_left_alone(tmp_path: Path) -> None:
    page = Page()
    page.get(0.2, "/api/orders", [order(n)["data"]["payload"] for n in range(30)])
    for n in range(30):
        page.down(5 + 2 * n, order(n))
    told = page.review(tmp_path)
    assert told.sync.in_use == "direct"
    assert needed(told) == set()
    assert told.facts.unused_share == 0.0
    assert (told.events.conforming_share, told.events.traced_share) == (1.0, 1.0)


def test_a_page_alone_says_nothing_of_its_api(tmp_path: Path) -> None:
    page = Page()
    page.get(0.2, "/", "<html>")
    page.entries[0]["response"]["content"]["mimeType"] = "text/html"
    for n in range(30):
        page.down(5 + 2 * n, order(n))
    told = verdicts(page.review(tmp_path))
    assert (told["debounce"], told["direct-update"]) == ("not-decidable", "not-decidable")


def test_topics_that_nobody_reads(tmp_path: Path) -> None:
    page = Page()
    page.get(0.2, "/api/orders?ids=1,2", [{"id": 1}, {"id": 2}])
    for n in range(200):
        page.down(1 + n / 4, order(n % 50))
    told = page.review(tmp_path)
    assert needed(told) == {"selective-subscription"}
    assert told.facts.unused_share == pytest.approx(48 / 50, rel=0.02)
    assert told.facts.topics == 50


def in_signalr(event: dict[str, Any]) -> str:
    return json.dumps({"type": 1, "target": "Changed", "arguments": [event]}) + "\x1e"


def in_graphql(event: dict[str, Any]) -> str:
    return json.dumps({"id": "1", "type": "next", "payload": {"data": {"orderChanged": event}}})


@pytest.mark.parametrize(
    ("wrap", "stack", "code"),
    [
        (in_signalr, "signalr", "Groups.AddToGroupAsync"),
        (in_graphql, "graphql-ws", "orderChanged(ids: $ids)"),
        (json.dumps, "json", "useEffect(() => { subscribe(topic)"),
    ],
)
def test_steps_are_in_the_words_of_the_stack(
    wrap: Any, stack: str, code: str, tmp_path: Path
) -> None:
    page = Page()
    page.get(0.2, "/api/orders?ids=1,2", [{"id": 1}, {"id": 2}])
    for n in range(200):
        page.down(1 + n / 4, wrap(order(n % 50)))
    told = page.review(tmp_path)
    assert stack in told.stacks or stack == "json"
    steps = {step.title: step.text for step in told.steps}
    assert code in steps["Subscribe to what is shown"]


def test_what_was_kept_offline_is_sent_on_return(tmp_path: Path) -> None:
    page, later = Page("wss://app.example.com/live?user=ann"), Page()
    for n in range(10):
        page.up(1 + n, order(n))
        page.down(1.5 + n, order(n + 20))
    for n in range(8):
        later.up(60.1 + n / 10, order(n + 40))
    later.down(65, order(7))
    page.back(60, later)
    told = page.review(tmp_path)
    assert told.sync.advised == "eventual"
    assert [step.title for step in told.steps] == ["Keep what is written offline, and merge it"]


def test_upgrades_that_fail_on_the_way_want_a_fallback(tmp_path: Path) -> None:
    def told(status: int) -> Any:
        page = Page()
        for n in range(20):
            page.up(1 + n, {"type": "say"})
            page.down(1.5 + n, {"type": "said"})
        for n in range(4):
            page.refused(30 + n, status)
        return page.review(tmp_path).protocol.choice

    assert told(502) == "websocket+fallback"
    assert told(401) == "websocket"


def test_a_few_rooms_may_all_be_read(tmp_path: Path) -> None:
    """Who says nothing in a room may still read it."""
    page = Page()
    for n in range(60):
        page.down(1 + n, {"type": "chat.message", "topic": f"room:{n % 3}", "body": "hello"})
        if n % 10 == 0:
            page.up(1.5 + n, {"type": "chat.message", "topic": "room:0", "body": "hello"})
    told = page.review(tmp_path)
    assert told.facts.unused_share == pytest.approx(2 / 3, rel=0.02)
    assert needed(told) == set()


def test_cursors_at_60_hz(tmp_path: Path) -> None:
    page = Page()
    for n in range(600):
        cursor = {"type": "cursor", "topic": "board:1", "x": n, "y": n}
        page.up(1 + n / 60, cursor)
        page.down(1.002 + n / 60, cursor | {"user": "u-2"})
        page.down(1.004 + n / 60, cursor | {"user": "u-3"})
    told = page.review(tmp_path)
    assert told.protocol.choice == "websocket"
    assert needed(told) == {"batching", "throttle"}
    rates = {one.id: one.measured for one in told.optimisations}
    assert rates["batching"] == pytest.approx(120, rel=0.02)
    assert rates["throttle"] == pytest.approx(60, rel=0.02)


def test_long_texts_without_deflate(tmp_path: Path) -> None:
    def told(deflate: bool) -> Any:
        page = Page(deflate=deflate)
        page.up(1, {"type": "hi"})
        page.up(2, {"type": "hi"})
        rows = [
            {"id": n, "name": "a name that is repeated", "note": "so is this"} for n in range(60)
        ]
        for n in range(40):
            page.down(1 + n, {"type": "table", "topic": "table:1", "rows": rows, "version": n})
        return page.review(tmp_path)

    assert "compression" in needed(told(deflate=False))
    assert "compression" not in needed(told(deflate=True))
    assert "delta" in needed(told(deflate=True))


def test_sloppy_events_are_told_with_their_place(tmp_path: Path) -> None:
    page = Page()
    for n in range(90):
        page.down(1 + n, order(n))
    for n in range(10):
        page.down(100 + n, {"topic": "Orders", "event": "changed", "data": {"id": n}})
    told = page.review(tmp_path)
    assert told.events.messages == 100
    assert told.events.conforming_share == 0.9
    assert told.events.deviations[0].count == 10
    assert told.events.deviations[0].example.pointer.startswith("page.har#")
    assert [fault.what for fault in told.events.topic_violations] == [
        "no colon between resource type and identifier"
    ]
    assert "Build every event in one place" in [step.title for step in told.steps]


def test_a_schema_of_the_users(tmp_path: Path) -> None:
    schema = tmp_path / "event.json"
    schema.write_text(json.dumps({"required": ["v"], "properties": {"v": {"type": "integer"}}}))
    page = Page()
    for n in range(30):
        page.down(1 + n, {"v": n} if n % 3 else {"v": "secret-text"})
    told = page.review(tmp_path, schema=str(schema))
    assert told.events.reference == "event.json"
    assert told.events.conforming_share == pytest.approx(20 / 30, abs=0.01)
    assert told.events.deviations[0].what == "v: type is not integer"
    schema.write_text('{"type": 7}')
    with pytest.raises(ConfigError):
        page.review(tmp_path, schema=str(schema))


def test_thresholds_may_be_changed(tmp_path: Path) -> None:
    page = Page()
    for n in range(60):
        page.up(1 + n, {"type": "move", "x": n})
        page.down(1.1 + n, {"type": "moved", "x": n})
    assert needed(page.review(tmp_path)) == set()
    strict = Config(review=Limits(throttle_per_s=0.5))
    assert needed(page.review(tmp_path, strict)) == {"throttle"}


def test_nothing_hostile_or_secret_comes_out(tmp_path: Path) -> None:
    page = Page()
    for n in range(30):
        event = "<script>alert(1)</script>\x1b[31m|`x`"
        page.down(
            1 + n, {"event": event, "topic": f"user:ann{n}@example.com", "password": "hunter2"}
        )
    told = page.review(tmp_path)
    assert told.events.topic_violations[0].what == "holds personal data"
    for name, view in VIEWS.items():
        text = view(told)
        assert "\x1b" not in text
        assert "ann1@example.com" not in text
        assert "hunter2" not in text
        if name == "html":
            assert "<script" not in text
        assert set(text) <= {*string.printable, *"•…–→←✗✓×—"} or name != "terminal"


def test_rates_are_of_the_time_that_was_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsdiag.contents.notebook.MAX_MESSAGES", 40)
    page = Page()
    for n in range(400):
        page.down(n / 2, {"type": "price", "topic": "price:ACME", "value": n})
    told = page.review(tmp_path)
    assert told.facts.s2c_app_messages == 40
    assert told.facts.messages_per_s_per_client == pytest.approx(2, rel=0.03)
    assert "page.har" in told.remarks[0]


def test_payloads_of_a_json_log(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [{"msg": "websocket connection opened", "path": "/live"}]
    for n in range(30):
        lines.append({"msg": "message sent", "payload": order(n % 3)})
        lines.append({"msg": "ws frame", "direction": "in", "data": json.dumps({"type": "say"})})
    lines.append({"msg": "websocket connection closed", "code": 1000})
    file = tmp_path / "server.jsonl"
    stamped = (
        {"time": f"2026-01-05T10:{n // 60:02}:{n % 60:02}Z", "conn": "c1"} | line
        for n, line in enumerate(lines)
    )
    file.write_text("".join(f"{json.dumps(line)}\n" for line in stamped))
    told = review([str(file)])
    assert (told.facts.s2c_app_messages, told.facts.c2s_app_messages) == (30, 30)
    assert (told.facts.topics, told.events.conforming_share) == (3, 1.0)
    assert told.protocol.choice == "websocket"
    assert told.protocol.evidence[0].pointer == "server.jsonl:3"


def test_the_template_in_every_view(tmp_path: Path) -> None:
    page = Page()
    for n in range(90):
        page.down(1 + n, order(n))
    told = page.review(tmp_path, title="Orders")
    text = VIEWS["markdown"](told)
    for heading in (
        "## Real-Time Architecture: Orders",
        "### Design Decision",
        "### Event Design",
        "### Implementation Steps",
        "### Checklist",
    ):
        assert heading in text
    wire = json.loads(VIEWS["json"](told))
    assert wire["schema"] == "wsdiag.review/1"
    assert wire["protocol"]["choice"] == "sse"
    assert set(verdicts(told)) == {
        "debounce",
        "direct-update",
        "batching",
        "selective-subscription",
        "compression",
        "delta",
        "throttle",
        "memory-per-subscription",
    }
    assert msgspec.json.decode(VIEWS["json"](told), type=type(told)).protocol == told.protocol


def test_the_command(tmp_path: Path) -> None:
    page = Page()
    for n in range(90):
        page.down(1 + n, order(n))
    page.review(tmp_path)
    run = CliRunner().invoke(main, ["review", str(tmp_path / "page.har")])
    assert run.exit_code == 0
    assert "server-sent events" in run.output
    out = tmp_path / "review.md"
    asked = ["review", str(tmp_path / "page.har"), "-o", str(out), "--fail-on", "needed"]
    assert CliRunner().invoke(main, asked).exit_code == 1
    assert out.read_text().startswith("## Real-Time Architecture: /live")
    assert CliRunner().invoke(main, ["review", str(tmp_path / "none")]).exit_code == 3


def test_a_recorded_chat_through_a_proxy_needs_nothing() -> None:
    """Both legs carry the same messages, which count once."""
    told = review([str(Path(__file__).parents[2] / "fixtures" / "broker-lost" / "evidence")])
    assert needed(told) == set()
    assert told.steps == []
    assert told.protocol.choice == "websocket"
    assert told.facts.c2s_app_messages == 63
