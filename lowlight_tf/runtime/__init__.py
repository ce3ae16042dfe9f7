"""Run models on images, without TensorFlow."""
