"""Object detection on enhanced images: detectors, annotations, average precision."""
