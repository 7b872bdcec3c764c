"""Money: what pays for a model call, and what that call may come to at most."""
