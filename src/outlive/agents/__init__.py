"""Pydantic AI agents that run durably: the capability, and what it needs in workflows and in activities."""
