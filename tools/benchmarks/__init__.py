"""What tools.benchmark measures, one module for each part of its report."""
