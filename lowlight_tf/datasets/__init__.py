"""Dataset cards, files and pairs of images; no tensors."""
