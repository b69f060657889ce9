"""Lines alike: learned from one line, the others of its skeleton are read in columns."""
