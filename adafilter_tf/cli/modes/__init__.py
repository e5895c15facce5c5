"""The modes: one module each, named after its --mode, with a function `run`."""
