"""Reading and editing the graph inside a .tflite file."""
