"""Starting agents, plans and batches again and again, on Temporal's own schedules."""
