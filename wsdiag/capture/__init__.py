"""Traffic: bytes in, facts out. Nothing here opens a file or holds an opinion."""
