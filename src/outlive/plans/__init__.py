"""Plans: how they are declared, and what their functions reach the world through."""
