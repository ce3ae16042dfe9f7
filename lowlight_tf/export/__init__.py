"""The way out of Keras, and the proof."""
