"""A report on a trained model: what its gates choose and what it gets wrong."""
