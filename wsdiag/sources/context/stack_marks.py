"""Tell by a few words which program or library wrote an application's log."""

from __future__ import annotations

STACK_MARKS = {
    "gorilla/websocket": "gorilla",
    "websocket: close ": "gorilla",
    "coder/websocket": "nhooyr",
    "nhooyr.io/websocket": "nhooyr",
    "received close frame: status = Status": "nhooyr",
    "node_modules/ws/": "ws",
    "WS_ERR_": "ws",
    "org.springframework.web": "spring",
    "org.eclipse.jetty": "jetty",
    "org.apache.tomcat": "tomcat",
    "org.apache.coyote": "tomcat",
    "org.apache.catalina": "tomcat",
    "Pause Full (": "jvm",
    "Microsoft.AspNetCore": "signalr",
    "site-packages/aiohttp": "aiohttp",
    "gunicorn": "gunicorn",
    "haproxy[": "haproxy",
    "homeassistant.components": "home-assistant",
}
"""What in an application's lines tells which program or library wrote them."""


class Stacks:
    """The stacks whose marks have been seen; a mark is looked for until it is found."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._missing = dict(STACK_MARKS)

    def look(self, text: str) -> None:
        """Look for the marks that are still missing."""
        for mark in [mark for mark in self._missing if mark in text]:
            self.found.add(self._missing.pop(mark))
