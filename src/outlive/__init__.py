"""Outlive makes AI agents and LLM batches finish, whatever dies under them.

The names in ``__all__`` are the public API. Each is imported on first use, so that importing one contract
inside the workflow sandbox never imports an HTTP, database or model library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outlive.app import App as App
    from outlive.client import BatchRequest as BatchRequest
    from outlive.client import Client as Client
    from outlive.documents.document import Document as Document
    from outlive.documents.sources import open_source as open_source
    from outlive.errors import OutliveError as OutliveError
    from outlive.handles import BatchHandle as BatchHandle
    from outlive.handles import BatchStatus as BatchStatus
    from outlive.models.llm import Llm as Llm
    from outlive.settings import Settings as Settings

_HOMES = {
    "App": "outlive.app",
    "BatchHandle": "outlive.handles",
    "BatchRequest": "outlive.client",
    "BatchStatus": "outlive.handles",
    "Client": "outlive.client",
    "Document": "outlive.documents.document",
    "Llm": "outlive.models.llm",
    "OutliveError": "outlive.errors",
    "Settings": "outlive.settings",
    "open_source": "outlive.documents.sources",
}

__all__ = [
    "App",
    "BatchHandle",
    "BatchRequest",
    "BatchStatus",
    "Client",
    "Document",
    "Llm",
    "OutliveError",
    "Settings",
    "open_source",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
