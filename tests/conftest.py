"""What holds for all tests."""

import os

# Tests run in as many processes as there are cores: threads of the linear algebra would only stand in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

# The same examples in every run, so that a check fails for a change and not by chance; others on demand.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("CNNIR_EXAMPLES", "same"))
