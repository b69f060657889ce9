"""Nothing secret leaves, whatever its notation; what diagnosis needs stays."""

from __future__ import annotations

import base64
import json
import string
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wsdiag import redact
from wsdiag.notation import decode
from wsdiag.redact import Redactor
from wsdiag.sensitive import credentials, may_hold_token, parse_address

SECRET = "Zx8kQ2vW9pLm4"
NAME = redact.token(SECRET)


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def jwt(**claims: object) -> str:
    return ".".join((b64('{"alg":"HS256","typ":"JWT"}'), b64(json.dumps(claims)), "c2lnbmF0dXJl"))


def mask(text: str) -> str:
    return Redactor().mask(text)


# How one token is written down; each must give the same pseudonym.
TOKEN_NOTATIONS = [
    "authorization: Bearer {s}",
    "AUTHORIZATION: bearer {s}",
    "< authorization: Bearer {s}",
    "2026-11-23 10:00:00 DEBUG websockets.server: < Authorization: Bearer {s}",
    "Proxy-Authorization: Bearer {s}",
    "X-Api-Key: {s}",
    "X-Auth-Token: {s}",
    '{{"token":"{s}"}}',
    '{{"accessToken": "{s}", "code": 1006}}',
    '"{{\\"token\\":\\"{s}\\"}}"',
    '"{{\\\\\\"token\\\\\\":\\\\\\"{s}\\\\\\"}}"',
    '"Authorization":["Bearer {s}"]',
    '"Authorization":["Bearer {s}"],"Sec-Websocket-Key":["byWDimo2ZfEzG2WlEn86aw=="]',
    "{{'token': '{s}'}}",
    "(b'authorization', b'Bearer {s}'), (b'host', b'x')",
    "[(b'x-api-key', b'{s}')]",
    "rawHeaders: [ 'Host', 'h', 'Authorization', 'Bearer {s}' ]",
    "map[Authorization:[Bearer {s}] Connection:[Upgrade]]",
    "level=info token={s} code=1006",
    'level=info token="{s}" code=1006',
    'level=info msg="sent authorization: Bearer {s}" code=1006',
    "curl -H 'Authorization: Bearer {s}' https://example.com/",
    'curl -H "X-Auth-Token: {s}" https://example.com/',
    "wscat --token {s} -c ws://h/",
    "run --api-key={s}",
    "GET /ws?token={s} HTTP/1.1",
    "GET /ws?room=5&access_token={s}&x=1 HTTP/1.1",
    "https://h/cb#access_token={s}&state=x",
    "/ws;token={s}?x=1",
    '"uri":"/ws?a=1\\u0026token={s}\\u0026b=2"',
    '"uri":"/ws?token={s}\\u0026b=2"',
    "/go?next=x token%3D{s}%26a%3D1",
    "%7B%22token%22%3A%22{s}%22%7D",
    "{{\\u0022token\\u0022:\\u0022{s}\\u0022}}",
    "body={{\\x22token\\x22:\\x22{s}\\x22}}",
    "&quot;token&quot;:&quot;{s}&quot;",
    '"tok\\u0065n":"{s}"',
    '40{{"token":"{s}"}}',
    'MESSAGE data 0{{"token":"{s}"}}',
    '{{"op":2,"d":{{"token":"{s}"}}}}',
    '{{"name":"token","value":"{s}"}}',
    '{{"token"=>"{s}"}}',
    ":token => '{s}'",
    "<token>{s}</token>",
    "Sec-WebSocket-Protocol: graphql-ws, {s}",
    "Sec-WebSocket-Protocol: access_token, {s}",
    '"sec-websocket-protocol":["bearer","{s}"]',
    "query_string: b'token={s}&room=5'",
    "to\x1b[31mken={s}",
    "\x1b[36mtoken\x1b[0m={s} \x1b[36mcode\x1b[0m=1006",
    '{{"log":"\\u001b[36mtoken\\u001b[0m={s} code=1006"}}',
    "#033[36mtoken#033[0m={s} code",
    "au\u200bthorization: Bearer {s}",
    "the token {s} was rejected",
    "Bearer {s} rejected",
    "DEBUG auth: token={s} accepted",
    "secret_key_base: {s}",
]


@pytest.mark.parametrize("notation", TOKEN_NOTATIONS)
def test_a_token_has_one_name_in_every_notation(notation: str) -> None:
    shown = mask(notation.format(s=SECRET))
    assert SECRET not in shown
    assert NAME in shown, shown


@pytest.mark.parametrize("split", ["\x1b[0m", "\x1b]8;;http://x\x07", "\u200b", "\xad", "\x00"])
def test_a_split_secret_is_found(split: str) -> None:
    shown = mask(f"token={SECRET[:5]}{split}{SECRET[5:]} end")
    assert shown == f"token=[{NAME}] end"


# Secrets that get a fixed word, a name of another kind, or are only known by their shape.
HIDDEN = [
    "password=hunter2",
    "password hunter2",
    "password is hunter2",
    "pwd=hunter2;server=x",
    "DB_PASSWORD: hunter2",
    '"password":"a\\"hunter2"',
    "'passwd': 'it\\'s hunter2'",
    "passphrase='correct hunter2'",
    "password=a,hunter2",
    "password=a&hunter2",
    "password=a'hunter2",
    "<password>hunter2</password>",
    "passcode:hunter2",
    "name: DB_PASSWORD\n  value: hunter2",
    "wss://bob:hunter2@example.com/ws",
    "wss://bob:hun@hunter2@example.com/ws",
    "redis://:x/hunter2@db:6379/0",
    "https%3A%2F%2Fbob%3Ahunter2%40h.example%2F",
    "curl -u bob:hunter2 https://h/",
    "curl -ubob:hunter2 https://h/",
    "curl --user 'bob:x hunter2' https://h/",
    "curl 'https://h/' -b 'theme=hunter2; a=b'",
    "Authorization: Basic " + base64.b64encode(b"bob:hunter2").decode() + " hunter2",
    'Authorization: Digest username="hunter2", realm="a b", response="hunter2"',
    "Authorization: MyOwn hunter2",
    "got Authorization: MyOwn hunter2 today",
    'OAuth failed: Authorization: OAuth a="1", oauth_token="hunter2"',
    "Cookie: a=b; c=hunter2",
    'Cookie: a="b hunter2"; c=hunter2',
    "Cookie: a=it's; c=hunter2",
    '< cookie: prefs={"a":"b"}; c=hunter2',
    "Set-Cookie: connect.sid=s%3Ahunter2; Path=/; HttpOnly",
    "(b'cookie', b'a=hunter2')",
    '"Set-Cookie":["a=b; Path=/","c=hunter2"]',
    '"cookies":[{"name":"a","value":"hunter2"},{"name":"b","value":"hunter2"}]',
    "map[Cookie:[a=b; c=hunter2]]",
    '{"headers":"Host: h\\r\\nCookie: a=hunter2\\r\\nOrigin: x"}',
    "curl -H 'Cookie: a=\"1\"; b=hunter2' https://h/",
    '{"type":"connection_init","payload":{"anything":"hunter2","a":{"b":"hunter2"}}}',
    '40{"anything":"hunter2"}',
    '40/admin,{"anything":"hunter2"}',
    '"credentials":{"login":"x","key":"hunter2"}',
    "/ws;jsessionid=hunter2",
    "/ws?EIO=4&transport=polling&sid=hunter2",
    "wss://h/hub?id=hunter2",
    "wss://h/hub?hunter2",
    "/ws?x=a%26hunter2",
    "/ws?next=%2Fws%3Fx%3Dhunter2",
    "a=1&room=hunter2&b=2",
    "user=hunter2",
    'user="hunter2 smith"',
    "userName: hunter2",
    '"user":{"name":"hunter2","id":"hunter2"}',
    "for user 'hunter2'",
    "New client connected from 10.4.0.2:51122 as w (p2, c1, k60, u'hunter2').",
    "hunter2@example.com",
    "mailto hunter2%40example.com",
    "hunter2%2540example.com",
    "o'hunter2@example.co.uk",
    "AKIAHUNTER2EXAMPLE77 hunter2"[:20].replace("HUNTER2", "hunter2".upper()) + " key=hunter2&a=b",
    "aws_secret_access_key = hunter2hunter2hunter2",
    "X-Amz-Signature=hunter2abc",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=hunter2%2F2026&X-Amz-Signature=hunter2",
    "AccountKey=hunter2hunter2==;EndpointSuffix=x",
    "ghp_hunter2hunter2hunter2hunter2",
    "github_pat_hunter2hunter2hunter2hunter2",
    "xoxb-1234-hunter2hunter2",
    "sk_live_hunter2hunter2",
    "AIzahunter2hunter2hunter2hunter2hunter2hunter2",
    "glpat-hunter2hunter2",
    "https://hooks.slack.com/services/T0/B0/hunter2hunter2",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIhunter2\nhunter2\n-----END RSA PRIVATE KEY-----",
    '"private_key":"-----BEGIN PRIVATE KEY-----\\nMIIhunter2\\n-----END PRIVATE KEY-----\\n"',
    "-----BEGIN OPENSSH PRIVATE KEY-----\nMIIhunter2 and cut off",
    "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.hunter2hunter2",
    "Sec-WebSocket-Protocol: bearer, hunter2",
    'new WebSocket(url, ["access_token", "hunter2"])',
    'GET /ws?%22wss%3A//h.example/ws%3Froom%3Dhunter2%22 HTTP/1.1" 403',
]


@pytest.mark.parametrize("text", HIDDEN)
def test_no_secret_survives(text: str) -> None:
    shown = mask(text)
    assert "hunter2" not in shown.lower(), shown


@pytest.mark.parametrize(
    "text",
    [
        "Sec-WebSocket-Key: byWDimo2ZfEzG2WlEn86aw==",
        '"Sec-Websocket-Key":["Y3P2aIv/T+J/t5a0/ck5rQ=="]',
        "< Sec-WebSocket-Accept: 67xp/TXm9bAq6+wsWnz424WHOlM=",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15",
        "Sec-WebSocket-Protocol: graphql-transport-ws, v12.stomp, v4.channel.k8s.io, ocpp2.0.1",
        "X-Request-Id: ccd5b747d3774f429e1aab608cb6a1ee",
        "traceparent 00-b6a546efb1c7499bb0410de17ac1ef74-b6a546efb1c7499b-01",
        "websocket: close 4401: token expired",
        "sent 1011 (internal error) keepalive ping timeout; no close frame received",
        "the client is not using the websocket protocol: 'upgrade' token not found in 'Connection'",
        "ws auth failed code=4401 token_exp=1795392531",
        "token: expired",
        '"token":null,"auth":true,"error":"invalid_token","status":401',
        "invalid token: signature verification failed",
        "SyntaxError: Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        'GET /app/chat/v2 HTTP/1.1" 101 5512 "-" "Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36"',
        "127.0.0.1:49762 10.4.0.9:8080 192.168.1.1 172.16.0.9 100.64.0.1 203.0.113.24 0.0.0.0",
        "::1 fe80::1 fd00::17 2001:db8::24 [::1]:8080 ::ffff:10.0.0.1",
        "12:34:56 12:34:56.789 2026-11-22T23:45:32.135839+00:00 [22/Nov/2026:23:48:04 +0000]",
        "aa:bb:cc:dd:ee:ff 00:11:22:33:44:55:66:77 std::net::beef",
        "nginx/1.25.3 websockets 17.4 ws@8.18.0 v1.2.3.4 OID 1.3.6.1.4.1.311",
        "Accept: text/html;charset=utf-8, */*;q=0.8",
        "recv() failed (104: Connection reset by peer) while proxying upgraded connection",
        "ws closed code=1006 clients=412 users=57 tokens=512",
        '10.4.0.2:41010 - - [11/Mar/2025:10:00:00] "WSCONNECTING /ws/load/" - -',
        'upstream: "http://10.4.0.9:8080/mqtt", host: "app.example.org"',
    ],
)
def test_what_diagnosis_needs_stays(text: str) -> None:
    redactor = Redactor()
    assert redactor.mask(text) == text
    assert not redactor.counts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("8.8.8.8:443 refused", "[{ip}]:443 refused"),
        ("IP 8.8.8.8.443 > 10.0.0.1.51234: Flags [S]", "IP [{ip}].443 > 10.0.0.1.51234: Flags [S]"),
        ("client=::ffff:8.8.8.8", "client=[{ip}]"),
        ("host/8.8.8.8:5000 left", "host/[{ip}]:5000 left"),
        ("8%2E8%2E8%2E8", "[{ip}]"),
        ("ec2-8-8-8-8.compute", "ec2-[{ip}].compute"),
        ("from 8.8.8.8.", "from [{ip}]."),
    ],
)
def test_public_addresses(text: str, shown: str) -> None:
    assert mask(text) == shown.format(ip=redact.address("8.8.8.8"))


@pytest.mark.parametrize(
    "text", ["2001:4860:4860::8888", "[2001:4860:4860::8888]:443", "64:ff9b::8.8.8.8 x"]
)
def test_public_ipv6(text: str) -> None:
    shown = mask(text)
    assert "4860" not in shown
    assert "8.8.8" not in shown
    assert "[ip-" in shown


def test_address() -> None:
    assert redact.address("10.0.0.1") == "10.0.0.1"
    assert redact.address("[::1]") == "::1"
    assert redact.address("::ffff:8.8.8.8") == redact.address("8.8.8.8") != "8.8.8.8"
    assert redact.address("some.host").startswith("ip-")


def test_what_stands_around_a_secret_stays() -> None:
    line = '"GET /ws?EIO=4&transport=websocket&token=abc123&user=alice&room=7 HTTP/1.1" 101 -'
    redactor = Redactor()
    assert redactor.mask(line) == (
        f'"GET /ws?EIO=4&transport=websocket&token=[{redact.token("abc123")}]'
        f'&user=[{redact.user("alice")}]&room=[value] HTTP/1.1" 101 -'
    )
    assert redactor.counts == {"token": 1, "user": 1, "query": 1}


def test_a_password_inside_a_user_gets_no_name_to_guess_it_by() -> None:
    assert mask('"user":{"name":"bob","password":"hunter2"}').endswith('"password":"[password]"}')


def test_a_header_in_a_message_leaves_the_rest_of_the_line() -> None:
    assert mask('msg="got Cookie: a=b; c=d" status=401') == 'msg="got Cookie: [cookie]" status=401'
    shown = mask(f"request Authorization: Bearer {SECRET} rejected with 401")
    assert shown == f"request Authorization: Bearer [{NAME}] rejected with 401"


def test_names_are_the_same_for_sources_and_masks() -> None:
    for text in (f"/ws?token={SECRET}", f"Bearer {SECRET}", f'{{"token":"{SECRET}"}}'):
        found = redact.find_token(text)
        assert found is not None
        assert redact.token(found) == NAME
    assert redact.token(quote(SECRET + "=/+")) == redact.token(SECRET + "=/+")
    inner = b64(SECRET)
    assert redact.token(f"base64url.bearer.authorization.k8s.io.{inner}") == NAME
    assert redact.user("alice%40example.com") == redact.user('"alice@example.com"')
    assert redact.user(redact.user("alice")) == redact.user("alice")


def test_find_token_knows_no_passwords_and_no_noise() -> None:
    assert redact.find_token("Authorization: Basic Ym9iOmh1bnRlcjI=") is None
    assert redact.find_token("token expired; keepalive ping timeout") is None
    assert redact.find_token("/socket.io/?EIO=4&transport=websocket&sid=abc") is None
    signed = jwt(exp=1)
    assert redact.find_token(f"/ws?csrf_token=abc1&t={signed}") == signed


PARAMETERS = ["EIO=4", "transport=websocket", "sid", "t", "v", "api_key", "x-Auth", "otp", "Key"]
PARAMETERS += ["subprotocol", "websocket-protocols", "raw_query", "connection_init", "user", "pass"]
SIGNED = [jwt(exp=1), "AKIAABCDEFGHIJKLMNOP", "ghp_0123456789abcdefgh", "token-1a2b3c4d", "bearer"]
SIGNED += [
    "xoxb-12345678",
    "SG.abcdefgh.abcdefgh",
    "bearer.authorization.k8s.io.abcd",
    "%74oken=a1",
]
URL_TEXT = st.text(string.ascii_letters + string.digits + "-_.=&?/~%+:", max_size=24)


@given(
    st.lists(
        st.tuples(st.sampled_from(PARAMETERS) | URL_TEXT, st.sampled_from(SIGNED) | URL_TEXT).map(
            "=".join
        ),
        max_size=4,
    ).map("&".join)
)
def test_the_cheap_look_misses_no_token(query: str) -> None:
    target = f"/socket.io/?{query}"
    view, _ = decode(target)
    thorough = any(hit.rule in ("jwt", "token") for hit in credentials(view))
    assert may_hold_token(target) or not thorough


def test_the_cheap_look_passes_over_the_ids_of_socket_io() -> None:
    assert not may_hold_token("/socket.io/?EIO=4&transport=websocket&sid=Vh6Yp3kQ2mXw_AAAB")


def test_jwt_times() -> None:
    signed = jwt(iat=1795392000, exp=1795392531)
    issued, expires = redact.jwt_times(f"/ws?token={signed}&x=1")
    assert issued == datetime.fromtimestamp(1795392000, UTC)
    assert expires == datetime.fromtimestamp(1795392531, UTC)
    assert redact.jwt_times(signed.replace(".", "%2E")) == (issued, expires)


@pytest.mark.parametrize(
    "claims",
    ["[]", "3", '{"exp":true}', '{"exp":1e999}', '{"exp":NaN}', '{"exp":"soon"}', "{", "[" * 5000],
)
def test_jwt_times_of_odd_claims(claims: str) -> None:
    text = ".".join((b64('{"alg":"none"}'), b64(claims), ""))
    assert redact.jwt_times(text)[1] is None


def test_sanitise() -> None:
    assert (
        redact.sanitise("a\tb\r\nc\x1b[31md\x1b[0m\u202ee\u200bf\x9b1mg\ud800h\x00") == "a b cdefgh"
    )
    assert redact.sanitise("é 💀 ok") == "é 💀 ok"


@pytest.mark.parametrize("label", ["CLIENT_RANDOM", "RSA", "SERVER_TRAFFIC_SECRET_0"])
def test_a_key_log_opens_nothing(label: str) -> None:
    assert mask(f"{label} {'a1' * 32} {'b2' * 48}") == f"{label} {'a1' * 32} [key]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error file=a::owned", "∷error file=a::owned"),
        ("  ::stop-commands::x", "  ∷stop-commands::x"),
        ("##[error]x ##vso[task.x]y", "# #[error]x # #vso[task.x]y"),
        ("boost::asio::error::eof at [::1]:80 ## heading", None),
    ],
)
def test_no_ci_runner_obeys(text: str, shown: str | None) -> None:
    assert redact.sanitise(text) == (shown or text)


def test_reason() -> None:
    redactor = Redactor()
    assert redactor.reason(None) is None
    assert redactor.reason("\x00 ") is None
    assert redactor.reason("token expired") == "token expired"
    long = redactor.reason("é" * 200)
    assert long is not None
    assert len(long.encode()) <= redact.REASON_BYTES


@given(st.binary(min_size=16, max_size=16), st.sampled_from(["", "Pw==", "sid=", "Auth", "+uid"]))
def test_a_public_nonce_always_stays(nonce: bytes, odd: str) -> None:
    key = base64.b64encode(nonce).decode()
    key = key[: 20 - len(odd.rstrip("="))] + odd.rstrip("=") + "gw=="
    for text in (f"Sec-WebSocket-Key: {key}", f'{{"key": "{key}", "a": 1}}', f"{{a|{key}}} {{}} -"):
        assert mask(text) == text


def test_a_public_nonce_that_ends_like_a_field_name() -> None:
    text = '{127.0.0.1:9081|ZWObQjQuoEdpmfM+gVFrPw==} {} "GET /dead/ws HTTP/1.1"'
    assert mask(text) == text


SECRETS = (
    st.text(string.ascii_letters + string.digits + "_-~.", min_size=10, max_size=40)
    .filter(lambda s: any(c.isdigit() for c in s) and any(c.isalpha() for c in s) and s.isascii())
    .map(lambda s: "q" + s + "7x")
)


@given(st.sampled_from(TOKEN_NOTATIONS), SECRETS)
def test_planted_tokens_never_show(notation: str, secret: str) -> None:
    line = notation.format(s=secret)
    assume(line.count(secret) == 1)
    shown = mask(line)
    assert secret not in shown
    assert secret[:8] not in shown or secret[:8] in notation


@given(st.sampled_from([t for t in HIDDEN if t.count("hunter2") == 1 and "@" not in t]), SECRETS)
def test_planted_passwords_never_show(template: str, secret: str) -> None:
    assert secret not in mask(template.replace("hunter2", secret))


PIECES = st.sampled_from(
    [
        *(*TOKEN_NOTATIONS[:20], *HIDDEN[:60]),
        *(
            "\\",
            "\\u0022",
            "%22",
            "%25",
            "&quot;",
            '"',
            "'",
            "[",
            "]",
            "{",
            "}",
            "=",
            ":",
            ", ",
            "\n",
        ),
        *("token", "cookie", "user", "[token-12345678]", "[cookie]", "8.8.8.8", "::", "@", "?"),
        *("eyJ", "Bearer ", "Basic ", " "),
    ]
)


@given(st.lists(PIECES | st.text(max_size=6), max_size=8).map("".join))
def test_any_text_is_masked_once_and_for_all(text: str) -> None:
    shown = mask(text)
    again = Redactor()
    assert again.mask(shown) == shown
    assert not again.counts
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)


@given(st.text(st.characters(), max_size=60))
def test_any_text_becomes_a_pseudonym_whatever_it_is_taken_for(text: str) -> None:
    assert redact.is_pseudonym(redact.token(text))
    assert redact.is_pseudonym(redact.user(text))
    assert redact.is_pseudonym(redact.session(text))
    assert redact.address(text) != text or parse_address(text) is not None
    assert (redact.find_token(text) or "") in text
    assert all(it is None or it.tzinfo == UTC for it in redact.jwt_times(text))


HOSTILE = [
    "a=", "[[[[", "eyJeyJ", '"""', "'", "\\", "%25", "%2525", "&a", "a&b=", "token=", 'token="',
    "token:[", "token:{", "cookie:", "cookie: a=\"", "authorization: ", "a@", "@a.", "a.a@",
    "1.", "1:", "::", "a:", "://a:b", "?a", "?a=b&", "bearer ", "basic ", "user ", "password ",
    "-u ", "-----BEGIN PRIVATE KEY-----", "sub", "query=", "sec-websocket-protocol: a,", "\x1b]",
    "\x1b[1", "&quot;", "\\u0022", "40{", "sess_", "k1, u'", "aaaa", "AAAA1", "api_", "api key ",
]  # fmt: skip


def test_no_line_takes_long() -> None:
    """Each pattern must be linear: 100 kB of anything, within two minutes."""
    script = (
        "import sys, json; from wsdiag.redact import Redactor\n"
        "for piece in json.loads(sys.argv[1]):\n"
        "    Redactor().mask(piece * (100_000 // len(piece)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(HOSTILE)], timeout=120, check=False
    )
    assert done.returncode == 0
