"""Export of trained Keras models to .tflite files, and the checks that the two agree."""
