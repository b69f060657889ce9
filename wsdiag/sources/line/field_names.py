"""Under which names programs write the same thing: compared without case and separators."""

CODE = (
    *("wsclosecode", "closecode", "disconnectcode", "closestatus", "closestatuscode", "wscode"),
    *("code", "statuscode", "status"),
)
STATUS = ("httpstatus", "responsestatus", "statuscode", "status", "code")
REASON = (
    *("closereason", "disconnectreason", "closedescription", "closestatusdescription"),
    *("wsreason", "reason", "description", "why", "note", "closetext", "reasontext", "whytext"),
    *("whytxt", "datamessage"),
)
ERROR = ("errmessage", "errormessage", "err", "error", "exception", "exc", "cause", "errmsg")
WHERE = ("logger", "loggername", "component", "module", "subsystem", "target", "system")
PATH = ("path", "url", "uri", "endpoint", "route")
LATENCY = (
    *("", "latency", "rtt", "roundtrip", "took", "elapsed", "delay", "pingms", "pongms"),
    *("delivery", "deliverytime", "messagelatency", "msglatency", "endtoend", "e2e"),
)
HANDSHAKE = (
    *("", "handshake", "handshaketime", "connect", "connecttime", "took", "elapsed", "latency"),
)
LIFETIME = (
    *("lifetime", "duration", "uptime", "age", "connected", "connectedfor", "sessionduration"),
    *("connectionduration", "connectiontime", "elapsed", "alive", "lived", "life", "up", "stayed"),
)
SILENCE = ("timeout", "after", "idle", "silence", "idlefor", "silentfor", "waited")
PAUSE = ("", "lag", "eventlooplag", "blocked", "blockedfor", "delay", "pause", "took", "duration")
BYTES = ("bytes", "size", "messagesize", "payloadsize", "length", "buffered", "bufferedamount")
MEMORY = ("rss", "rssbytes", "memoryrss", "memrss", "processrss")
TOPIC = ("topic", "channel", "room", "subscription", "destination", "feed", "stream")
CONN_SURE = (
    *("conn", "connid", "connection", "connectionid", "cid", "wsid", "websocketid"),
    *("socket", "socketid", "sock", "sockid", "sid", "transportid"),
)
CONN_WEAK = ("client", "clientid", "session", "sessionid", "sess", "peer", "remote", "remoteaddr")
CONN = (*CONN_SURE, "client", "clientid", "session", "sessionid", "sess")
CREDENTIALS = frozenset({"sid", "session", "sessionid", "sess"})
"""A connection may be named by these, but in a URL or a cookie they let one in."""

OF_HTTP = frozenset({"method", "httpmethod", "verb", "useragent", "requestmethod"})
USER = (
    *("user", "userid", "uid", "username", "sub", "account", "accountid", "email", "login"),
    *("usr", "usrid", "device", "deviceid", "dev", "enduserid", "principal", "customerid"),
    *("memberid", "playerid", "player", "who"),
)
PEER = (
    *("peer", "remote", "addr", "remoteaddr", "remoteaddress", "clientaddr", "clientaddress"),
    *("peeraddr", "client", "ip", "clientip", "remoteip", "from", "peername", "socketaddress"),
    *("networkpeeraddress", "address", "xforwardedfor"),
)
PORT = ("port", "clientport", "remoteport", "peerport", "networkpeerport")
TRACE = (
    *("requestid", "reqid", "rid", "xrequestid", "traceid", "traceparent"),
    *("correlationid", "xcorrelationid"),
)
EXPIRES = ("tokenexp", "tokenexpires", "tokenexpiresat", "tokenexpiry", "jwtexp", "exp")
EXPIRES_VAGUE = ("expires", "expiresat", "expiry", "expiration")
TOKEN = ("token", "jwt", "accesstoken", "authtoken", "idtoken", "bearer")
KEY = ("secwebsocketkey", "websocketkey", "wskey", "key")
