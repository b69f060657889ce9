"""tls-failure: alerts by number and sender, errors by their text."""

from __future__ import annotations

import pytest
from story import CLIENT, judge, life, row

NAME = "tls-failure"


@pytest.mark.parametrize(
    ("number", "mark"),
    [
        (45, "certificate-expired"),
        (48, "certificate-untrusted"),
        (70, "no-common-version"),
        (112, "certificate-name"),
        (116, "client-certificate"),
    ],
)
def test_a_fatal_alert(number: int, mark: str) -> None:
    rows = [row("attempt", 0, "a"), row("tls_alert", 1, "a", code=number, dir="c2s")]
    said = judge(NAME, rows)
    assert said.count == 1
    assert {"alert", mark, "objection-of-client"} <= said.traits


@pytest.mark.parametrize("number", [0, 90])
def test_a_polite_alert(number: int) -> None:
    rows = [*life("a", 0, 9, code=1000), row("tls_alert", 9, "a", code=number, dir="s2c")]
    assert judge(NAME, rows).verdict == "pass"


@pytest.mark.parametrize(
    ("reason", "mark"),
    [
        ("net::ERR_CERT_DATE_INVALID", "certificate-expired"),
        ("unable to verify the first certificate", "certificate-untrusted"),
        ("self-signed certificate in certificate chain", "certificate-untrusted"),
        ("Hostname/IP does not match certificate's altnames", "certificate-name"),
        ("SSL routines::wrong version number", "plain-text"),
        ("net::ERR_SSL_VERSION_OR_CIPHER_MISMATCH", "no-common-version"),
    ],
)
def test_an_error_in_words(reason: str, mark: str) -> None:
    said = judge(NAME, [row("error", 1, "a", CLIENT, reason=reason)])
    assert said.count == 1
    assert mark in said.traits


@pytest.mark.parametrize("reason", ["net::ERR_CONNECTION_RESET", "ECONNRESET", "timeout"])
def test_other_errors(reason: str) -> None:
    assert judge(NAME, [row("error", 1, "a", CLIENT, reason=reason)]).findings == []
