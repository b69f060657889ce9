"""The parts of a log line: what carries it, its time, its fields and the values in them."""
