"""Video: reading, writing, YUV conversion, pipelines, synchronization, temporal smoothing."""
