"""What is checked of images before and after training."""
