"""What is done to the outside world: how it is declared, under which key, and what a repeat of it may do."""
