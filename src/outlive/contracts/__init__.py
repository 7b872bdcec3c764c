"""Frozen, keyword-only dataclasses that cross the wire or rest in the ledger; a new field always has a default."""
