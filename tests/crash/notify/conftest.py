from crash.agents.conftest import new_project, outside

__all__ = ["new_project", "outside"]
