"""From the bytes of a capture file to TCP segments: records, link layers, IP."""
