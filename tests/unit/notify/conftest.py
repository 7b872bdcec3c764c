"""Receivers of webhooks, and a ledger to deliver from."""

from unit.ledger.conftest import ledger

__all__ = ["ledger"]
