"""Log formats as data: what a format file may say, and how lines are read by it."""
