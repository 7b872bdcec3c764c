"""Fakes and faults for tests: ours, and those of Outlive's users."""
