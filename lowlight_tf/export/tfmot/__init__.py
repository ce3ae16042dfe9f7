"""Training with tensorflow-model-optimization: quantization-aware training and pruning."""
