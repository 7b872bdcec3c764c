"""The desk: what waits for a person, and how a person decides."""
