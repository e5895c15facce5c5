"""Optimizers, schedules, losses and stages of a training; Keras only."""
