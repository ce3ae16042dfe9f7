"""Quantization-aware training and pruning by tensorflow-model-optimization, on tf_keras clones."""
