"""The demonstration behind ``outlive demo``: a batch on real documents whose processes are killed on the way."""
