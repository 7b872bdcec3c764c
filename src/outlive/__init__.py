"""Outlive makes AI agents and LLM batches finish, whatever dies under them.

The names in ``__all__`` are the public API. Each is imported on first use, so that importing one contract
inside the workflow sandbox never imports an HTTP, database or model library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outlive.app import App as App
    from outlive.client import BatchHandle as BatchHandle
    from outlive.client import Client as Client
    from outlive.documents.document import Document as Document
    from outlive.errors import OutliveError as OutliveError
    from outlive.settings import Settings as Settings

_HOMES = {
    "App": "outlive.app",
    "BatchHandle": "outlive.client",
    "Client": "outlive.client",
    "Document": "outlive.documents.document",
    "OutliveError": "outlive.errors",
    "Settings": "outlive.settings",
}

__all__ = ["App", "BatchHandle", "Client", "Document", "OutliveError", "Settings"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
