"""The Temporal engine: the supervised dev server on one machine, or any configured cluster."""
