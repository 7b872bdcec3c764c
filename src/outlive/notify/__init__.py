"""Telling others of runs: the event, its signature, and what delivers it."""
