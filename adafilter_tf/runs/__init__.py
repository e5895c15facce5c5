"""A run: its folder, and what fills it."""
