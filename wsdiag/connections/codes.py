"""Close codes by what they say about who meant what."""

LOCAL_CODES = frozenset({1005, 1006, 1015})
"""Codes that an API makes up when no Close frame told one (RFC 6455 section 7.4.1)."""

POLITE_CODES = (1000, 1001, 1005)
"""Codes of an end that somebody meant."""

BLAMING_CODES = (1002, 1003, 1007, 1009, 1010)
"""What the peer's frames are blamed with (RFC 6455 section 7.4.1)."""

SENDERS = ("client", "server", "proxy", "network", "unknown")
"""Who may have closed."""

NOT_CUT = "--"
"""How the reason of an end begins with which HAProxy says that nobody cut the session short
(configuration manual, 8.5)."""

RESTART_CODES = (1001, 1012)
"""What a server sends when it goes away by plan (RFC 6455 section 7.4.1; IANA registry)."""

SERVERS_CODES = (1012, 1013, 1014)
"""What only servers, and gateways for them, send (IANA WebSocket Close Code Number registry). Not
1011: clients of Python's `websockets` send it as well, when their ping is not answered."""

AUTH_CODES = (4401, 3000, 3005)
"""4401 by the 44xx habit of applications and graphql-ws, 3000 Unauthorized in the IANA registry,
3005 `connection expired` in centrifugal/centrifuge disconnect.go."""
