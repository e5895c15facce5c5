"""Backbones, their gated forms and the head; Keras alone."""
