"""What a served model is made of: decoding, signatures, warm-up and card."""
