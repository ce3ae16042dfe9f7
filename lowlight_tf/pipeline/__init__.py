"""Training batches from pairs of files."""
