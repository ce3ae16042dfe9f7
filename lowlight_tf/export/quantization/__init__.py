"""Post-training quantization: observing activations, equalization, GPTQ rounding."""
