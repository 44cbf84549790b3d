"""The annotated shapes are checked at run time while the tests run, on the way in and on the way out."""

import doctest
import importlib
from types import SimpleNamespace

import jaxtyping
import numpy as np
import pytest

import lorabook
from lorabook import Task, estimators, lora

X, Y, W0 = np.ones((3, 4)), np.ones((2, 4)), np.ones((2, 3))


def test_an_argument_of_the_wrong_shape_is_caught():
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'Y'"):
        lora(X, Y[:, 1:], W0, 1)
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'shift'"):
        Task(W0, W0.T)


def test_a_result_of_the_wrong_shape_is_caught(monkeypatch):
    transposed = SimpleNamespace(weights=lambda rank: W0.T)
    monkeypatch.setattr(estimators, "rank_path", lambda X, Y, W0: transposed)
    with pytest.raises(jaxtyping.TypeCheckError, match=r"return value of lorabook\.estimators\.lora"):
        lora(X, Y, W0, 1)


def test_the_checks_can_be_switched_off(no_shape_checks):
    with pytest.raises(ValueError, match=r"^Y has shape"):
        lora(X, Y[:, 1:], W0, 1)


@pytest.mark.parametrize("module", ["linalg", "task", "estimators"])
def test_the_checked_functions_keep_their_doctests(module):
    """The checks wrap every function; the doctest finder must still see each example through the wrapper."""
    module = importlib.import_module(f"lorabook.{module}")
    source = importlib.resources.files(lorabook).joinpath(f"{module.__name__.rpartition('.')[2]}.py").read_text()
    found = [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]
    assert sum(len(test.examples) for test in found) == source.count(">>> ")
