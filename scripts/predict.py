"""Enhance images. The same as `lowlight-tf enhance`."""

import sys

from lowlight_tf.cli.main import main

sys.exit(main(["enhance", *sys.argv[1:]]))
