"""A run as its reader sees it: turns, model calls, tool calls, waits, child runs, money."""
