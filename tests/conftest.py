"""Every annotated shape of the library is checked on every call while the tests and the doctests run."""

import os

import pytest
from hypothesis import settings
from jaxtyping import config, install_import_hook

# Threads slow small matrices down. (numpy may be loaded already; for its own BLAS, set this outside.)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Must run before anything imports lorabook: the hook instruments the modules as they are imported.
install_import_hook("lorabook", "beartype.beartype")

settings.register_profile("lorabook", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("lorabook")


@pytest.fixture
def no_shape_checks():
    """Switch the run-time shape checks off, so that bad input meets the library's own errors."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
