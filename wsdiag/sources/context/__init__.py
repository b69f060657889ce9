"""What bears on a log line from beside it: open connections, speakers, programs, other lines."""
