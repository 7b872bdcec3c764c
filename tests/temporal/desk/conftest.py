"""Agents that wait for people, and their desk."""

from temporal.agents.conftest import served, settings

__all__ = ["served", "settings"]
