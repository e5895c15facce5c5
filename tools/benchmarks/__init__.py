"""The parts of tools.benchmark, one module each."""
