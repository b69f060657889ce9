"""From bytes in order to frames, messages and what their texts say (RFC 6455, RFC 7692)."""
