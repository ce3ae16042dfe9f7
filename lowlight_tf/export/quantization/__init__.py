"""Post-training quantization: activation ranges, cross-layer equalization, GPTQ rounding."""
