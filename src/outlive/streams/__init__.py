"""The event log of runs: what happened in each, for any number of readers, resumable by offset."""
