"""Without the bars and remarks of transformers, which fill the logs of many short runs and the pages of a notebook.

Chapter *From the linear model to a network*.
"""

from contextlib import contextmanager

__all__ = ["quiet"]


@contextmanager
def quiet(progress: bool = False):
    """transformers' bars and remarks only where progress is asked for."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    if not progress:
        logging.disable_progress_bar()
        logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
