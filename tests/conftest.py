"""What holds for all tests."""

import os

# Tests run in as many processes as there are cores: threads of the linear algebra would only stand in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
