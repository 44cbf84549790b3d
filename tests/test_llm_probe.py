"""The probe finds the hidden matrix where there is one to find."""

import numpy as np
import pytest

from lorabook.llm import models, probe
from lorabook.llm.synthetic import World
from lorabook.llm.tasks import Example

WORLD = World.draw(0)
EXAMPLES = WORLD.sample("csqa", 1500, 5)


def test_attributes_and_question_give_the_answer():
    """By the world's own matrix, example by example."""
    X, asked = probe.attributes(EXAMPLES)
    assert set(np.abs(X).sum(axis=1)) == {4.0}
    for x, question, example in zip(X, asked, EXAMPLES, strict=True):
        scores = WORLD.csqa[5 * question : 5 * question + 5] @ x
        assert np.argmax(scores) == example.label


def test_a_linear_model_is_found_exactly(monkeypatch):
    X, asked = probe.attributes(EXAMPLES)
    values = np.array([WORLD.csqa[5 * q : 5 * q + 5] @ x + 3.0 for x, q in zip(X, asked, strict=True)])
    monkeypatch.setattr(probe, "log_likelihoods", lambda *_: values)
    found = probe.linear_scores(None, None, EXAMPLES)
    np.testing.assert_allclose(found.matrix, probe.centred(WORLD.csqa), atol=1e-10)
    assert found.explained == pytest.approx(1.0)


def test_centring_changes_no_answer():
    found = probe.centred(WORLD.csqa)
    np.testing.assert_allclose(found.reshape(3, 5, 12).sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(probe.centred(found), found)
    difference = (WORLD.csqa - found).reshape(3, 5, 12)
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:, :1], difference.shape), atol=1e-12)


def test_the_tiny_model_has_learnt_the_matrix_of_its_world():
    """And of no other world."""
    found = probe.linear_scores(*models.load("tiny"), EXAMPLES).matrix.ravel()
    own, other = (np.corrcoef(found, probe.centred(World.draw(seed).csqa).ravel())[0, 1] for seed in (0, 1))
    assert own > 0.9
    assert abs(other) < 0.4


def test_other_examples_and_too_few():
    with pytest.raises(ValueError, match="example 1 is not a five-way question"):
        probe.attributes([Example("csqa", "Question: what\n\nOptions:\nA. a", 0)])
    with pytest.raises(ValueError, match="examples are too few"):
        probe.linear_scores(*models.load("tiny"), EXAMPLES[:20])
