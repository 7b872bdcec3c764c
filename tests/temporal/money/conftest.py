"""Agents on the session's engine, and a model server whose tokens have a price."""

from temporal.agents.conftest import settings  # noqa: F401
