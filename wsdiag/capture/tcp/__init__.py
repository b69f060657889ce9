"""From segments to bytes in order, and what the transport itself tells (RFC 9293)."""
