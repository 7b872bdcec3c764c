"""The work itself, retried by Temporal; heavy imports are welcome here."""
