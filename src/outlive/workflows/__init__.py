"""Deterministic master plans: temporalio.workflow and floor 0 only."""
