"""Outlive as an MCP server: an assistant starts runs, follows them, and answers what waits for a person."""
