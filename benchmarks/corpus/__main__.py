"""``python -m benchmarks.corpus``."""

import sys

from benchmarks.corpus.command import main

if __name__ == "__main__":
    sys.exit(main())
