"""TensorBoard: curves, figures, projector and profile of a training."""
