"""What the command does: one module for each value of --mode."""
