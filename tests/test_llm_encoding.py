"""Tokens: the prompt, the answer, the mask, the cut, and the order of the batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lorabook.llm import tasks, tiny
from lorabook.llm.encoding import IGNORED, collate, encode, left_padded, order_of_batches
from lorabook.llm.synthetic import World
from lorabook.llm.tasks import Example

WORDS = tiny.tokenizer()
LONG = Example("boolq", "Passage: " + "very cold ice " * 60 + "\n\nQuestion: is ice cold", 1)
OPTIONS = "\n\nOptions:\n" + "\n".join(f"{letter}. thing" for letter in "ABCDE")


def text(ids):
    return WORDS.decode(ids)


@pytest.mark.parametrize("task", ["boolq", "csqa"])
def test_the_tokens_say_the_prompt_the_answer_and_the_end(task):
    for example, row in zip(examples := World.draw(0).sample(task, 20, 3), encode(examples, WORDS).rows, strict=True):
        assert text(row.prompt) == tasks.prompt(example)
        assert text(row.answer) == example.output + WORDS.eos_token
        assert row.answer[-1] == WORDS.eos_token_id


def test_encoded_apart_is_encoded_together():
    """Prompt and answer meet between two tokens, so that a model is asked what it was trained on."""
    for task in tasks.TASKS:
        for example in World.draw(0).sample(task, 20, 3):
            whole = WORDS(tasks.prompt(example) + example.output, add_special_tokens=False)["input_ids"]
            row = encode([example], WORDS).rows[0]
            assert row.prompt + row.answer[:-1] == whole


def test_labels_are_the_answer_alone():
    rows = encode(World.draw(0).sample("boolq", 8, 1), WORDS).rows
    batch = collate(rows, WORDS.pad_token_id)
    for row, ids, mask, labels in zip(rows, *batch.values(), strict=True):
        assert ids[mask == 1].tolist() == row.prompt + row.answer
        assert labels[labels != IGNORED].tolist() == row.answer
        assert labels[-len(row.answer) :].tolist() == row.answer


def test_padding_is_on_the_left():
    batch = left_padded([[5, 6, 7], [8]], pad=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [0, 0, 8]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]


def test_what_is_too_long_loses_its_passage_and_never_its_answer():
    full = len(encode([LONG], WORDS).rows[0])
    for cutoff in (full - 1, full - 40, full // 2):
        encoded = encode([LONG], WORDS, cutoff)
        row = encoded.rows[0]
        assert encoded.cut == 1
        assert cutoff - 4 <= len(row) <= cutoff  # no more words are cut than must be
        assert text(row.answer) == "Yes" + WORDS.eos_token
        assert text(row.prompt).endswith("\n\nQuestion: is ice cold\n\n### Response:\n")
        assert text(row.prompt)[: len(tasks.prompt(LONG)) // 3] == tasks.prompt(LONG)[: len(tasks.prompt(LONG)) // 3]
    assert encode([LONG], WORDS, full).cut == 0


def test_a_question_with_options_loses_words_before_them():
    example = Example("csqa", "Question: " + "what is it " * 80 + OPTIONS, 2)
    encoded = encode([example, example.with_label(1)], WORDS, 100)
    assert encoded.cut == 2
    for row, answer in zip(encoded.rows, "CB", strict=True):
        assert text(row.prompt).endswith(OPTIONS + "\n\n### Response:\n")
        assert text(row.answer) == answer + WORDS.eos_token
        assert len(row) <= 100


def test_nothing_left_to_cut_is_an_error():
    with pytest.raises(ValueError, match="cutoff leaves 18 tokens for a prompt that needs"):
        encode([Example("csqa", "Question: " + "long " * 50 + OPTIONS * 3, 0)], WORDS, 20)


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=300),
    st.sampled_from([0.3, 1, 2.5, 3]),
    st.integers(1, 16),
    st.integers(0, 99),
)
def test_every_epoch_is_a_permutation(lengths, epochs, batch_size, seed):
    order = order_of_batches(lengths, epochs, batch_size, seed)
    n = len(lengths)
    assert len(order) == max(1, round(epochs * n))
    for start in range(0, len(order), n):
        part = order[start : start + n]
        assert len(set(part)) == len(part)
        assert set(part) <= set(range(n))
    assert order == order_of_batches(lengths, epochs, batch_size, seed)
    longer = order_of_batches(lengths, epochs + 1, batch_size, seed)
    assert longer[: len(order)] == order


def test_batches_are_of_like_length():
    lengths = np.random.default_rng(0).integers(1, 500, 4000).tolist()
    order = np.array(order_of_batches(lengths, 1, 32, 0))
    lengths = np.array(lengths)
    spread = np.ptp(lengths[order].reshape(-1, 32), axis=1).mean()
    assert spread < 0.1 * np.ptp(np.random.default_rng(1).permutation(lengths).reshape(-1, 32), axis=1).mean()
    assert (order != np.array(order_of_batches(lengths.tolist(), 1, 32, 1))).any()


def test_padding_changes_no_logits():
    """Left padding with its mask and positions is exact: the same logits as alone."""
    from lorabook.llm.scoring import last_logits

    model = small_model()
    sequences = [[5, 6, 7, 8, 9], [11, 12], [13]]
    with torch.no_grad():
        together = last_logits(model, left_padded(sequences, 0), 1)[:, -1]
        for sequence, logits in zip(sequences, together, strict=True):
            alone = model(input_ids=torch.tensor([sequence])).logits[0, -1]
            torch.testing.assert_close(logits, alone, rtol=1e-5, atol=1e-6)


def small_model():
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    size = Qwen2Config(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=True, initializer_range=0.3,
    )  # fmt: skip
    return Qwen2ForCausalLM(size).eval()
