"""Removes what no run needs any more from a project's ledger, event log and payload store."""
