"""`python -m lossbench` is the command `lossbench`."""

import sys

from lossbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
