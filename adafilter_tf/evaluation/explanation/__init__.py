"""Pages on trained models: errors, what gates choose, how runs differ."""
