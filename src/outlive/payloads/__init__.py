"""Content-addressed storage of what is too large for a history; knows nothing of Temporal or Pydantic AI."""
