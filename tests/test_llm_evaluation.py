"""The harness's answers are those of a direct log-likelihood, item by item."""

import copy

import numpy as np
import pytest
import torch
import yaml
from test_llm_encoding import small_model
from test_llm_training import LORA

from lorabook.llm import encoding, evaluation, models, scoring, tasks, training
from lorabook.llm.synthetic import World
from lorabook.llm.tasks import Example

ROWS = {task: World.draw(0).sample(task, 60, 5) for task in tasks.TASKS}


@pytest.fixture(scope="module")
def tiny():
    return models.load("tiny")


@pytest.fixture(scope="module")
def adapter(tiny):
    """A PEFT model whose factors are not zero."""
    model = training.adapted(copy.deepcopy(tiny[0]), LORA.but(rank=4))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2, generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("task", ["boolq", "csqa"])
@pytest.mark.parametrize("kind", ["plain", "adapter", "merged"])
def test_the_harness_answers_as_the_direct_log_likelihood(tiny, adapter, task, kind):
    plain, tokenizer = tiny
    model = {"plain": plain, "adapter": adapter}.get(kind) or copy.deepcopy(adapter).merge_and_unload()
    found = evaluation.harness(model, tokenizer, task, ROWS[task], prompts=("alpaca",))["alpaca"]
    wanted = scoring.score(model, tokenizer, ROWS[task]).to_dict()
    assert (found["items"], found["correct"], found["count"]) == (wanted["items"], wanted["correct"], 60)
    assert found["accuracy"] == wanted["accuracy"]
    assert found["task"] == f"lorabook_{task} 1.0"


def test_the_adapter_changes_the_answers(tiny, adapter):
    """So that the agreement above is not that of one model with itself."""
    scores = [scoring.score(model, tiny[1], ROWS["csqa"]).right for model in (tiny[0], adapter)]
    assert scores[0] != scores[1]


@pytest.mark.parametrize("task", ["boolq", "csqa"])
def test_the_yaml_task_asks_what_training_shows(task):
    """Its text, filled in, is the prompt character by character; the tokens are those of training."""
    config = yaml.safe_load((evaluation._OWN / f"lorabook_{task}.yaml").read_text("utf-8"))
    example = ROWS[task][0]
    text = config["doc_to_text"].replace("{{instruction}}", example.instruction).replace("{{input}}", example.input)
    assert text == tasks.prompt(example)
    assert tuple(config["doc_to_choice"]) == tasks.TASKS[task].answers
    assert config["target_delimiter"] == ""


def test_the_tokens_are_those_of_training(tiny):
    model, tokenizer = tiny
    lm = evaluation._apart(model, tokenizer, 8, True)
    for task, rows in ROWS.items():
        for row, encoded in zip(rows[:20], encoding.encode(rows[:20], tokenizer).rows, strict=True):
            assert lm._encode_pair(tasks.prompt(row), row.output) == (encoded.prompt, encoded.answer[:-1]), task


@pytest.mark.parametrize("task", ["boolq", "csqa"])
def test_the_stock_prompt_over_local_rows(tiny, task):
    """Against prompts written out here, and the sum of log-probabilities of ` yes` or ` A` after them."""
    model, tokenizer = tiny
    rows = ROWS[task][:20]
    found = evaluation.harness(model, tokenizer, task, rows, prompts=("stock",))["stock"]
    right = []
    for row in rows:
        fields = evaluation.hub_row(row)
        if task == "boolq":
            text = f"{fields['passage']}\nQuestion: {fields['question']}?\nAnswer:"
        else:
            listed = "".join(f"\n{a}. {o}" for a, o in zip("ABCDE", fields["choices"]["text"], strict=True))
            text = f"Question: {fields['question']}{listed}\nAnswer:"
        values = []
        for answer in [" no", " yes"] if task == "boolq" else [f" {letter}" for letter in "ABCDE"]:
            whole = tokenizer(text + answer, add_special_tokens=False)["input_ids"]
            start = len(tokenizer(text, add_special_tokens=False)["input_ids"])
            with torch.no_grad():
                logs = torch.log_softmax(model(torch.tensor([whole])).logits[0], dim=-1)
            values.append(sum(float(logs[i - 1, whole[i]]) for i in range(start, len(whole))))
        right.append(int(np.argmax(values)) == row.label)
    assert found["items"] == "".join("1" if answer else "0" for answer in right)
    assert found["standard_error"] == pytest.approx(np.std(right, ddof=1) / np.sqrt(20))


def test_rows_are_read_anew(tiny):
    """Not from a cache under the name of a file: the same questions with other answers score otherwise."""
    rows = ROWS["boolq"]
    first, second = (
        evaluation.harness(*tiny, "boolq", some, prompts=("alpaca",))["alpaca"]
        for some in (rows, [row.with_label(1 - row.label) for row in rows])
    )
    assert first["correct"] + second["correct"] == 60
    assert first["correct"] > 40


def test_both_prompts_and_a_limit(tiny):
    found = evaluation.harness(*tiny, "boolq", ROWS["boolq"], limit=7)
    assert list(found) == ["alpaca", "stock"]
    assert [score["count"] for score in found.values()] == [7, 7]


def test_the_mode_of_the_model_is_left_as_it_was(tiny):
    for mode in (True, False):
        tiny[0].train(mode)
        evaluation.harness(*tiny, "boolq", ROWS["boolq"][:4], prompts=("alpaca",))
        assert tiny[0].training is mode


@pytest.mark.parametrize("task", ["boolq", "csqa"])
def test_hub_rows_both_ways(task):
    for example in ROWS[task][:20]:
        assert tasks.from_hub(task, evaluation.hub_row(example)) == example


@pytest.mark.usefixtures("no_shape_checks")
def test_what_makes_no_sense(tiny):
    for arguments, message in (
        (("mnli", ROWS["boolq"]), "task is 'mnli'"),
        (("csqa", ROWS["boolq"]), "rows must be examples of csqa"),
        (("csqa", []), "rows must be examples of csqa"),
        (("boolq", ROWS["boolq"], ("chat",)), r"prompts has \['chat'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluation.harness(*tiny, *arguments)
    with pytest.raises(ValueError, match="it has not the form of boolq"):
        evaluation.hub_row(Example("boolq", "is ice cold", 1))


def test_answers_of_several_tokens_are_scored_whole():
    """The slow path of the oracle, against logits of each whole sequence; a tokenizer that splits the answers."""

    class Letters:
        pad_token_id = 0

        def __call__(self, texts, add_special_tokens=False):
            if isinstance(texts, str):
                return {"input_ids": [ord(letter) % 50 for letter in texts]}
            return {"input_ids": [[ord(letter) % 50 for letter in text] for text in texts]}

    model, rows = small_model(), ROWS["boolq"][:5]
    values = scoring.log_likelihoods(model, Letters(), rows, batch_size=2)
    for row, found in zip(rows, values, strict=True):
        for answer, value in zip(("No", "Yes"), found, strict=True):
            whole = Letters()(tasks.prompt(row) + answer)["input_ids"]
            with torch.no_grad():
                logs = torch.log_softmax(model(torch.tensor([whole])).logits[0], dim=-1)
            wanted = sum(float(logs[i - 1, whole[i]]) for i in range(len(whole) - len(answer), len(whole)))
            assert value == pytest.approx(wanted, abs=1e-3)


def test_scores_refuse_nothing_and_mixtures(tiny):
    with pytest.raises(ValueError, match="examples is empty"):
        scoring.score(*tiny, [])
    with pytest.raises(ValueError, match=r"examples are of the tasks \['boolq', 'csqa'\]"):
        scoring.score(*tiny, ROWS["boolq"][:1] + ROWS["csqa"][:1])
