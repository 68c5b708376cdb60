"""One claim in every file, found by its name."""
