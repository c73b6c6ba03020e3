"""What all tests share."""

import sys
from pathlib import Path

# Tests import each other's helpers as `tests.nets`. The root goes to the end of the path, so that `netlang` is the
# installed one: a checkout's `netlang/` lacks `backends` and `grammar`, which are mapped into it when installed.
sys.path.append(str(Path(__file__).parent.parent))
