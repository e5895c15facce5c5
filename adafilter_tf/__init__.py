"""AdaFilter: fine-tuning that chooses, per image and per filter, what to tune."""
