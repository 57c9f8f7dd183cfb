"""`python -m isthmus.demo`."""

import sys

from isthmus.demo import run

sys.exit(run(sys.stdout))
