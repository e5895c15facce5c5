"""Methods x tasks x seeds: the plan, its cells, and what they amount to."""
