"""Calls to language models: one narrow door over Pydantic AI."""
