"""Where documents come from, how they are read, and where results go."""
