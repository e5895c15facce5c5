"""What a run shows while it trains: TensorBoard curves, gate statistics and figure."""
