"""`python -m lowlight_tf`: the command line."""

import sys

from lowlight_tf.cli.main import main

sys.exit(main())
