"""What happened to documents and money, remembered outside Temporal and outside this process."""
