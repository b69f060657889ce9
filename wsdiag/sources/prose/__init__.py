"""What applications say in sentences of their own: a vocabulary, and what a line means by it."""
