"""Fewer bits: weights stored as float16 (`half_weights`), a whole network that computes in it (`network`)."""
