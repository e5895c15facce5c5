"""Files: atomic writes, and what is checked before a file is trusted."""
