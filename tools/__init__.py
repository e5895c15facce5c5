"""Scripts beside the package that reuse its functions."""
