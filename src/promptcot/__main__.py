"""`python -m promptcot`."""

import sys

from promptcot.cli import main

sys.exit(main())
