"""The HTTP API: a program starts runs, follows them, and answers what waits for a person."""
