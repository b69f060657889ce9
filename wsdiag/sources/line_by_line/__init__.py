"""The slow and exact way: a log read one line at a time."""
