"""Data for language models: the form character for character, nested noise, and worlds with a chosen shift."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorabook.llm import noise, synthetic, tasks
from lorabook.llm.tasks import Example

BOOLQ = {"passage": "Ice is cold.", "question": "is ice cold", "answer": True}
CSQA = {
    "id": "1",
    "question": "Where is ice kept?",
    "question_concept": "ice",
    "choices": {"label": list("ABCDE"), "text": ["freezer", "oven", "book", "sun", "lamp"]},
    "answerKey": "A",
}
PROMPT = """Below is an instruction that describes a task, paired with an input that provides further context. \
Write a response that appropriately completes the request.

### Instruction:
Answer the following multiple-choice question. Choose the correct option letter only (A, B, C, D, or E).

### Input:
Question: Where is ice kept?

Options:
A. freezer
B. oven
C. book
D. sun
E. lamp

### Response:
"""


def examples(task, n, seed=0):
    return synthetic.World.draw(0).sample(task, n, seed)


# The form -----------------------------------------------------------------------------------------------------------


def test_a_question_with_options_character_for_character():
    example = tasks.from_hub("csqa", CSQA)
    assert tasks.prompt(example) == PROMPT
    assert (example.output, example.label) == ("A", 0)


def test_a_yes_no_question_character_for_character():
    example = tasks.from_hub("boolq", BOOLQ)
    assert example.input == "Passage: Ice is cold.\n\nQuestion: is ice cold"
    assert example.output == "Yes"
    assert tasks.from_hub("boolq", BOOLQ | {"answer": False}).output == "No"
    assert example.instruction == "Answer the following yes/no question based on the passage."


@pytest.mark.parametrize("task", ["boolq", "csqa"])
@pytest.mark.parametrize("lines", [True, False])
def test_both_forms_of_a_local_file(task, lines, tmp_path):
    row = BOOLQ if task == "boolq" else CSQA
    example = tasks.from_hub(task, row)
    alpaca = {"instruction": example.instruction, "input": example.input, "output": example.output}
    for rows in ([row, row], [alpaca, row], [alpaca, alpaca]):
        text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
        (tmp_path / "rows").write_text(text, "utf-8")
        assert tasks.load(task, tmp_path / "rows") == [example, example]


def test_saving_and_loading_gives_the_same(tmp_path):
    mine = [*examples("csqa", 20), Example("csqa", "Question: „Größe“?\n\nOptions:\nA. 1", 3)]
    tasks.save(mine, tmp_path / "a.jsonl")
    assert tasks.load("csqa", tmp_path / "a.jsonl") == mine


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("boolq", {"question": "is ice cold", "answer": True}, "row 1 of .*: it has no passage; it has"),
        ("boolq", BOOLQ | {"answer": "yes"}, "answer is 'yes'; it must be true or false"),
        ("csqa", CSQA | {"answerKey": ""}, "answerKey is ''; it must be one of A to E"),
        ("csqa", CSQA | {"choices": {"label": ["A"], "text": ["x"]}}, "choices has the labels"),
        ("csqa", {"instruction": "Hi", "input": "x", "output": "A"}, "instruction is 'Hi'; for csqa it must be"),
        ("boolq", {"instruction": tasks.TASKS["boolq"].instruction, "input": "x", "output": "A"}, "output is 'A'"),
        ("boolq", BOOLQ | {"passage": None}, "it has no passage"),
    ],
)
def test_a_row_that_is_wrong_is_named(task, row, message, tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), "utf-8")
    with pytest.raises(ValueError, match=message):
        tasks.load(task, tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("text", "message"), [("", "has no rows"), ("{", "is not JSON"), ("[1]", "holds something else than rows")]
)
def test_a_file_that_is_wrong(text, message, tmp_path):
    (tmp_path / "rows").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        tasks.load("boolq", tmp_path / "rows")


def test_examples_that_make_no_sense():
    with pytest.raises(ValueError, match=r"task is 'mnli'; it must be one of \['boolq', 'csqa'\]"):
        Example("mnli", "x", 0)
    with pytest.raises(ValueError, match="label is 2; for boolq it must be one of 0 to 1"):
        Example("boolq", "x", 2)
    with pytest.raises(ValueError, match="input is empty"):
        Example("boolq", " ", 1)


# Noise --------------------------------------------------------------------------------------------------------------

FEW = examples("csqa", 60) + examples("boolq", 40)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 50))
def test_flips_are_nested_and_counted(one, other, seed):
    low, high = sorted((one, other))
    few, many = noise.flip_labels(FEW, low, seed), noise.flip_labels(FEW, high, seed)
    flipped = [i for i, (old, new) in enumerate(zip(FEW, few, strict=True)) if old != new]
    assert len(flipped) == int(np.floor(low * len(FEW) + 0.5))
    assert all(few[i] == many[i] for i in flipped)
    for old, new in zip(FEW, many, strict=True):
        assert (old.task, old.input) == (new.task, new.input)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 50))
def test_subsets_are_nested(one, other, seed):
    small, large = sorted((one, other))
    subset = noise.subset(FEW, large, seed)
    assert noise.subset(FEW, small, seed) == subset[:small]
    assert len({id(example) for example in subset}) == large


def test_a_wrong_letter_is_uniform_among_the_four():
    """Chi-squared with 3 degrees of freedom, which exceeds 21.1 with a probability of 1e-4."""
    one = Example("csqa", "Question: x", 2)
    flipped = noise.flip_labels([one] * 8000, 1.0, seed=0)
    counts = np.bincount([example.label for example in flipped], minlength=5)
    assert counts[2] == 0
    assert np.sum((counts[[0, 1, 3, 4]] - 2000) ** 2 / 2000) < 21.1


def test_different_seeds_flip_different_examples():
    assert noise.flip_labels(FEW, 0.3, 0) != noise.flip_labels(FEW, 0.3, 1)
    assert noise.flip_labels(FEW, 0.0, 0) == FEW


def test_a_fifth_is_held_out():
    train, validation = noise.split(FEW)
    assert (len(train), len(validation)) == (80, 20)
    assert train + validation == FEW
    assert noise.split(FEW[:4]) == (FEW[:4], [])
    with pytest.raises(ValueError, match="it leaves none to train on"):
        noise.split(FEW, 1.0)


def test_bad_shares_and_sizes():
    with pytest.raises(ValueError, match=r"share is 1\.1; it must be at most 1"):
        noise.flip_labels(FEW, 1.1, 0)
    with pytest.raises(ValueError, match=r"^n is 101; it must be an integer from 1 to 100"):
        noise.subset(FEW, 101, 0)


# Worlds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["boolq", "csqa"])
@pytest.mark.parametrize("rank", [1, 3, 8])
def test_a_shift_has_the_rank_and_the_norm_that_were_asked(task, rank):
    world = synthetic.World.draw(1)
    shifted = world.shifted(task, rank, 1.5, seed=2)
    D = getattr(shifted, task) - getattr(world, task)
    assert np.linalg.matrix_rank(D) == rank
    assert np.linalg.norm(D) == pytest.approx(1.5 * np.linalg.norm(getattr(world, task)))
    assert shifted.shift[task] == pytest.approx(D)
    other = "csqa" if task == "boolq" else "boolq"
    assert getattr(shifted, other) is getattr(world, other)


@pytest.mark.parametrize("task", ["boolq", "csqa"])
def test_answers_follow_from_the_text_and_the_hidden_matrix(task):
    world = synthetic.World.draw(3)
    poles = {word: (a, 1 - 2 * p) for a, pair in enumerate(synthetic.ATTRIBUTES) for p, word in enumerate(pair)}
    for example in world.sample(task, 200, seed=4):
        described = example.input.split(" is ", 1)[1].split(".")[0].split(", ")
        x = np.zeros(len(synthetic.ATTRIBUTES))
        for word in described:
            x[poles[word][0]] = poles[word][1]
        assert len(described) == synthetic.MENTIONED
        if task == "boolq":
            asked = synthetic.PROPERTIES.index(example.input.rsplit(" ", 1)[1])
            assert example.label == int(world.boolq[asked] @ x > 0)
        else:
            asked = next(i for i, question in enumerate(synthetic.QUESTIONS) if question in example.input)
            assert example.label == np.argmax(world.csqa[5 * asked : 5 * asked + 5] @ x)


@pytest.mark.parametrize("task", ["boolq", "csqa"])
def test_samples_have_the_hub_s_form_and_are_reproducible(task):
    mine = examples(task, 50, seed=5)
    assert mine == examples(task, 50, seed=5)
    assert mine != examples(task, 50, seed=6)
    start = "Passage: " if task == "boolq" else "Question: "
    assert all(example.input.startswith(start) and "\n\n" in example.input for example in mine)
    assert len({example.label for example in mine}) == (2 if task == "boolq" else 5)


def test_a_margin_leaves_out_close_calls():
    world = synthetic.World.draw(0)
    loose, strict = (world.sample("csqa", 300, 0, margin=margin) for margin in (0.0, 1.0))
    assert len({example.input for example in strict} - {example.input for example in loose}) > 0


def test_worlds_that_make_no_sense():
    world = synthetic.World.draw(0)
    with pytest.raises(ValueError, match=r"^rank is 13; it must be an integer from 1 to 12"):
        world.shifted("csqa", 13, 1.5, 0)
    with pytest.raises(ValueError, match="task is 'mnli'"):
        world.sample("mnli", 1, 0)


def test_none_of_this_needs_torch():
    program = "import sys; from lorabook.llm import noise, synthetic, tasks; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
