"""HTTP on a connection: heads of messages, upgrades and their answers (RFC 9112, RFC 6455)."""
