"""Paths that tell by their name that a WebSocket is behind them."""

_OWN = r"/(?:[\w-]*[_-])?"
_PLAIN, _LIBRARY = "ws|wss|websockets?", "sockjs|cable"

NAMED_SO = rf"(?i){_OWN}(?:(?:{_PLAIN})(?:/\S*)?|(?:{_LIBRARY})/?)$"
"""A path that is hardly anything but a WebSocket's. Below SockJS's there are plain requests too."""

MAY_BE = (
    rf"transport=websocket|{_OWN}(?:{_PLAIN}|{_LIBRARY}|mqtt|signalr)(?:[/?.]|$)"
    r"|/(?:hubs?/|[\w-]*hub\?)|/graphql-ws|/api/kernels/[\w-]+/channels"
)
"""A path, in any case, that WebSocket servers commonly use, as libraries and frameworks name it."""
