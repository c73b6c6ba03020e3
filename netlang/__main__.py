"""`python -m netlang` is `netc`."""

import sys

from netlang.cli import main

if __name__ == "__main__":
    sys.exit(main())
