"""Reading, writing and processing images with NumPy and OpenCV."""

from lowlight_tf.imaging.opencv_version import check_opencv

check_opencv()  # before a module uses what an older one does not have
