from temporal.agents.conftest import served, settings

__all__ = ["served", "settings"]
