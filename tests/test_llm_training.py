"""One run: what the loss sees, what LoRA is, what is decayed, and that a seed settles everything."""

import copy
import json
import math
import os
import random
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_llm_encoding import WORDS, small_model
from transformers import GPT2Config, GPT2LMHeadModel

import lorabook
from lorabook.llm import data, fingerprint, models, precision, runs, scoring, tasks, training
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.encoding import IGNORED, collate, encode
from lorabook.llm.synthetic import World

FULL = FineTuneConfig(
    model="tiny", task="csqa", data="synthetic", method="full", n=64, test_n=100, shift_rank=1, epochs=2,
    micro_batch_size=32, learning_rate=1e-3, validation=0.25,
)  # fmt: skip
LORA = FULL.but(method="lora", rank=2, learning_rate=7e-3)
FP32 = precision.Precision("float32", "float32")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tiny():
    return models.load("tiny")


@pytest.fixture(scope="module")
def batch():
    rows = encode(World.draw(0).sample("boolq", 6, 1), WORDS).rows
    return collate(rows, WORDS.pad_token_id)


def test_the_loss_is_that_of_the_answers_alone(tiny, batch):
    """The same as transformers' own loss from all logits, where the labels of prompts are -100."""
    model = tiny[0]
    ours = scoring.answer_loss(model, batch)
    theirs = model(**batch, position_ids=(batch["attention_mask"].cumsum(1) - 1).clamp(min=0)).loss
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_another_answer_changes_the_loss_and_another_prompt_label_does_not(tiny, batch):
    model, loss = tiny[0], scoring.answer_loss(tiny[0], batch)
    changed = {key: value.clone() for key, value in batch.items()}
    changed["labels"][0, -2] = (changed["labels"][0, -2] + 1) % 400
    assert abs(scoring.answer_loss(model, changed) - loss) > 1e-3
    prompts = (batch["labels"] == IGNORED) & (batch["attention_mask"] == 1)
    assert prompts.sum() > 100
    labels = torch.where(prompts, batch["input_ids"], batch["labels"])
    assert abs(model(**(batch | {"labels": labels})).loss - loss) > 1e-3  # with the mask gone it would be seen


def test_a_batch_in_parts_has_the_gradient_of_the_whole(tiny, batch):
    model = copy.deepcopy(tiny[0])
    tokens = (batch["labels"] != IGNORED).sum()

    def gradient(parts):
        model.zero_grad()
        for part in parts:
            scoring.answer_loss(model, {key: value[part] for key, value in batch.items()}, tokens).backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters()])

    torch.testing.assert_close(gradient([slice(0, 1), slice(1, 6)]), gradient([slice(0, 6)]), rtol=1e-4, atol=1e-6)


def test_only_biases_and_norms_are_not_decayed(tiny):
    """By Qwen2's names, written out here."""
    model = tiny[0]
    linear = [f"{a}_proj" for a in ("q", "k", "v", "o", "gate", "up", "down")]
    wanted = {"model.embed_tokens.weight"} | {
        f"model.layers.{i}.{'self_attn' if name[0] in 'qkvo' else 'mlp'}.{name}.weight"
        for i in (0, 1)
        for name in linear
    }
    assert set(training.decayed(model)) == wanted
    others = {name for name, _ in model.named_parameters()} - wanted
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in others} == {
        "q_proj", "k_proj", "v_proj", "input_layernorm", "post_attention_layernorm", "norm",
    }  # fmt: skip


@pytest.mark.parametrize("config", [FULL, FULL.but(optimizer="sgd"), LORA], ids=["adamw", "sgd", "lora"])
def test_the_optimizer_decays_what_it_should(tiny, tmp_path, config):
    """In the groups of the optimizer itself, with every hyper-parameter of the configuration."""
    model = training.adapted(copy.deepcopy(tiny[0]), config)
    rows = encode(World.draw(0).sample("csqa", 64, 1), WORDS).rows
    trainer = training._trainer(model, WORDS, rows, 2, config, FP32, tmp_path, None, 8, False)
    trainer.create_optimizer()
    names = {id(weight): name for name, weight in model.named_parameters()}
    groups = {
        group["weight_decay"]: {names[id(w)] for w in group["params"]} for group in trainer.optimizer.param_groups
    }
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert groups.pop(0.01) == trained & set(training.decayed(model))
    assert groups.pop(0.0, set()) == trained - set(training.decayed(model))
    assert not groups
    group = trainer.optimizer.param_groups[0]
    if config.optimizer == "sgd":
        assert (type(trainer.optimizer).__name__, group["momentum"]) == ("SGD", 0.9)
    else:
        assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)
    assert (trainer.args.max_grad_norm, trainer.args.gradient_accumulation_steps) == (1.0, 4)
    assert (group["lr"], trainer.args.lr_scheduler_type) == (config.learning_rate, "cosine")


def test_lora_is_w_plus_alpha_over_r_b_a(tiny):
    """PEFT's merged weights, of every linear layer and of nothing else; alpha = 2 r unless it is given."""
    for config, scale in ((LORA.but(rank=3), 2.0), (LORA.but(rank=4, alpha=6.0), 1.5)):
        before = {name: layer.weight.detach().clone() for name, layer in models.linear_layers(tiny[0]).items()}
        model = training.adapted(copy.deepcopy(tiny[0]), config)
        factors = {}
        for name, weight in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.1)
                factors[name] = weight.detach().clone()
        assert len(factors) == 2 * 14
        merged = model.merge_and_unload()
        for name, layer in models.linear_layers(merged).items():
            A, B = (next(w for key, w in factors.items() if f"{name}.lora_{ab}" in key) for ab in "AB")
            assert (A.shape[0], B.shape[1]) == (config.rank, config.rank)
            torch.testing.assert_close(layer.weight, before[name] + scale * B @ A, rtol=1e-5, atol=1e-6)


def test_lora_starts_at_the_model_itself(tiny, batch):
    model = training.adapted(copy.deepcopy(tiny[0]), LORA)
    torch.testing.assert_close(scoring.answer_loss(model, batch), scoring.answer_loss(tiny[0], batch))
    assert {name.rpartition("lora_")[1] for name, weight in model.named_parameters() if weight.requires_grad} == {
        "lora_"
    }


def test_a_rank_above_the_layers_is_refused():
    with pytest.raises(ValueError, match="rank is 17; the layers of elsewhere are 16 wide"):
        training.adapted(small_model(), LORA.but(model="elsewhere", rank=17))


def test_lora_trained_on_a_linear_model_is_lorabook_s():
    """PEFT's factors on one linear layer, trained to the end, are the closed form of the theory."""
    from peft import LoraConfig, get_peft_model

    task = lorabook.Task.gaussian(d_x=6, d_y=5, shift_rank=3, noise_std=0.3, seed=0)
    X, Y = task.sample(60, seed=1)
    with training.seeded(0):
        linear = torch.nn.Sequential(torch.nn.Linear(6, 5, bias=False).double())
        linear[0].weight.data = torch.tensor(task.W0)
        model = get_peft_model(
            linear, LoraConfig(r=2, lora_alpha=4, target_modules=["0"]), autocast_adapter_dtype=False
        )
    x, y = torch.tensor(X.T), torch.tensor(Y.T)
    optimizer = torch.optim.LBFGS(
        [w for w in model.parameters() if w.requires_grad], max_iter=2000, tolerance_grad=1e-12, tolerance_change=0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss():
        optimizer.zero_grad()
        value = ((model(x) - y) ** 2).sum()
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(loss)
    weight = model.merge_and_unload()[0].weight.detach().numpy()
    np.testing.assert_allclose(weight, lorabook.lora(X, Y, task.W0, 2), atol=1e-6)


@pytest.mark.parametrize("config", [FULL, LORA], ids=["full", "lora"])
def test_the_same_seed_the_same_result_bit_for_bit(tmp_path, config):
    results = [runs.run(config, tmp_path / f"{i}", keep_weights=i == 0) for i in range(2)]
    for result in results:
        del result["cost"]
    assert results[0] == results[1]
    other = runs.run(config.but(seed=1), tmp_path / "other", keep_weights=False)
    assert other["hashes"]["weights_after"] != results[0]["hashes"]["weights_after"]
    assert other["hashes"]["test"] == results[0]["hashes"]["test"]


def test_a_result_says_everything(tmp_path):
    config = LORA.but(noise=0.25)
    result = runs.run(config, tmp_path)
    assert FineTuneConfig.from_dict(result["config"]) == config
    assert result["data"] == {"train": 48, "validation": 16, "test": 100, "flipped": 12, "cut": 0}
    assert result["steps"] == 3
    for part, count in (("before", 100), ("train", 48), ("validation", 16), ("test", 100)):
        score = result["metrics"][part]
        assert score["count"] == count
        assert score["correct"] == score["items"].count("1") == round(score["accuracy"] * count)
    assert {"seconds", "training_seconds", "tokens_per_second", "peak_memory_bytes", "hardware"} <= set(result["cost"])
    assert result["versions"]["torch"] == version("torch")
    assert set(result["hashes"]) == {"weights_before", "weights_after", "train", "test", "code"}
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert "weights/adapter_model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_configuration_does_not_go_on_from_this_one(tmp_path):
    """Nor does it write over the result; the same one goes on from its last step, however its numbers are written."""
    first = runs.run(FULL, tmp_path / "one", checkpoint_steps=1)
    before = everything(tmp_path / "one")
    for other in (FULL.but(learning_rate=1e-7), LORA):
        with pytest.raises(ValueError, match=r"^folder is '.*one'; it holds a run of another conf.*learning_rate.*"):
            runs.run(other, tmp_path / "one", checkpoint_steps=1)
        assert everything(tmp_path / "one") == before
    again = runs.run(FULL.but(epochs=2.0), tmp_path / "one", checkpoint_steps=1)
    assert again["cost"]["resumed_at"] == again["steps"] == first["steps"]
    for result in (first, again):
        del result["cost"]
    assert first == again


def test_nor_from_checkpoints_without_a_result(tmp_path):
    runs.run(FULL, tmp_path, checkpoint_steps=1)
    (tmp_path / runs.RESULT).unlink()
    with pytest.raises(ValueError, match=r"another configuration \(other seed\); give another folder$"):
        runs.run(FULL.but(seed=1), tmp_path, checkpoint_steps=1)
    assert not (tmp_path / runs.RESULT).exists()
    assert runs.run(FULL, tmp_path, checkpoint_steps=1)["cost"]["resumed_at"] > 0


def test_a_folder_whose_run_is_not_known(tmp_path):
    for text, message in (("{", "is no JSON"), ('{"config": {"schema": 0}}', "has no configuration of this version")):
        (tmp_path / runs.RESULT).write_text(text)
        with pytest.raises(ValueError, match=rf"result\.json' {message}; give another folder$"):
            runs.run(FULL, tmp_path, checkpoint_steps=1)
        assert (tmp_path / runs.RESULT).read_text() == text


def test_without_checkpoints_a_run_begins_anew(tmp_path):
    one = runs.run(FULL, tmp_path, checkpoint_steps=1)
    two = runs.run(FULL.but(seed=1), tmp_path)
    assert two["cost"]["resumed_at"] == 0
    assert two["hashes"]["weights_after"] != one["hashes"]["weights_after"]
    with pytest.raises(ValueError, match="another configuration"):
        runs.run(FULL, tmp_path, checkpoint_steps=1)


def test_lora_needs_layers_that_it_knows(tmp_path):
    """Of GPT-2, whose layers have other names, none; it is said before anything is computed."""
    GPT2LMHeadModel(GPT2Config(vocab_size=len(WORDS), n_embd=16, n_head=2, n_layer=1)).save_pretrained(
        tmp_path / "gpt2"
    )
    WORDS.save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ValueError, match=r"^model is '.*gpt2'; it has none of the layers .*: q_proj, .*, down_proj$"):
        runs.run(LORA.but(model=str(tmp_path / "gpt2")), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_what_was_kept_is_loaded_in_the_type_of_the_run(tmp_path):
    for config in (FULL, LORA.but(precision="bf16")):
        folder = tmp_path / config.method
        kept = runs.run(config, folder)["precision"]["weights"]
        model, _ = models.load_trained(folder / "weights", "tiny", dtype=kept)
        for name, weight in model.named_parameters():
            assert weight.dtype == (torch.float32 if "lora_" in name else getattr(torch, kept))


def test_weights_of_full_fine_tuning_can_be_loaded_again(tmp_path):
    result = runs.run(FULL, tmp_path)
    model, tokenizer = models.load(str(tmp_path / "weights"))
    assert scoring.score(model, tokenizer, data.splits(FULL).test).to_dict() == result["metrics"]["test"]


def test_a_diverging_run_is_recorded(tmp_path):
    result = runs.run(FULL.but(learning_rate=1e30, epochs=4, clip=0.0), tmp_path)
    assert result["status"] == "diverged"
    assert result["losses"][-1][1] is None or all(math.isfinite(loss) for _, loss in result["losses"])
    assert "test" not in result["metrics"]
    assert not (tmp_path / "weights").exists()


def test_out_of_memory_halves_the_micro_batch(tiny, tmp_path, monkeypatch):
    """And gives what the small micro-batch gives from the beginning."""

    def loss(model, batch, tokens=None, within=scoring.answer_loss):
        if len(batch["labels"]) > 8:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return within(model, batch, tokens)

    examples = data.splits(FULL).train
    small = copy.deepcopy(tiny[0])
    training.train(small, WORDS, examples, FULL.but(micro_batch_size=8), FP32, tmp_path / "small")
    monkeypatch.setattr(training, "answer_loss", loss)
    model = copy.deepcopy(tiny[0])
    trained = training.train(model, WORDS, examples, FULL, FP32, tmp_path / "large")
    assert trained.micro_batch_size == 8
    assert trained.notes == [f"out of memory: the micro-batch is {m} now, the batch still 32" for m in (16, 8)]
    assert fingerprint.of_weights(model) == fingerprint.of_weights(small)


def test_training_leaves_the_global_generators_alone(tiny, tmp_path):
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    model = training.adapted(copy.deepcopy(tiny[0]), LORA)
    training.train(model, WORDS, data.splits(LORA).train, LORA, FP32, tmp_path)
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002


def test_noise_reaches_the_training_labels_alone():
    clean, noisy = data.splits(FULL), data.splits(FULL.but(noise=0.5))
    assert (clean.test, clean.validation) == (noisy.test, noisy.validation)
    differ = sum(a.label != b.label for a, b in zip(clean.train, noisy.train, strict=True))
    assert differ == noisy.flipped == 24


def test_synthetic_examples_are_nested_and_shared():
    few, many = data.splits(FULL.but(validation=0.0)), data.splits(FULL.but(n=128, validation=0.0))
    assert many.train[:64] == few.train
    assert many.test == few.test
    assert data.splits(FULL.but(shift_seed=1)).test != few.test


def test_local_files_in_place_of_the_hub(tmp_path):
    world = World.draw(0)
    tasks.save(world.sample("csqa", 40, 0), tmp_path / "train.jsonl")
    tasks.save(world.sample("csqa", 20, 1), tmp_path / "test.jsonl")
    config = FineTuneConfig(model="tiny", task="csqa", method="full", data=str(tmp_path), n=20)
    found = data.splits(config)
    assert (len(found.train), len(found.validation), len(found.test)) == (16, 4, 20)
    larger = data.splits(config.but(n=40, validation=0.0))
    assert set(found.train) <= set(larger.train)
    with pytest.raises(ValueError, match="n is 41; it must be an integer from 1 to 40"):
        data.splits(config.but(n=41))
    with pytest.raises(ValueError, match="test_n is 21; there are 20"):
        data.splits(config.but(test_n=21))
    with pytest.raises(ValueError, match=r"data is '.*nowhere'; it must be a folder with train.jsonl"):
        data.splits(config.but(data=str(tmp_path / "nowhere")))


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"model is '.*'; it cannot be loaded: the folder has no config\.json$"):
        models.load(str(tmp_path))


@pytest.mark.parametrize(
    ("config", "device", "weights", "arithmetic", "autocast"),
    [
        (FULL, "cpu", "float32", "float32", False),
        (LORA, "cpu", "float32", "float32", False),
        (FULL.but(precision="bf16"), "cuda", "float32", "bfloat16", True),
        (FULL.but(precision="bf16", master_weights=False), "cuda", "bfloat16", "bfloat16", False),
        (FULL.but(precision="fp16"), "cuda", "float32", "float16", True),
        (LORA.but(precision="bf16"), "cuda", "bfloat16", "bfloat16", False),
        (LORA.but(precision="fp16"), "cuda", "float16", "float16", True),
    ],
)
def test_precision(config, device, weights, arithmetic, autocast):
    chosen = precision.choose(config, device)
    assert (chosen.weights, chosen.arithmetic, chosen.autocast) == (weights, arithmetic, autocast)


def test_precision_of_the_device(monkeypatch):
    for capable, arithmetic in ((True, "bfloat16"), (False, "float16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, capable=capable: capable)
        assert precision.choose(FULL, "cuda").arithmetic == arithmetic
    with pytest.raises(ValueError, match="master_weights is false; in fp16 full fine-tuning needs them"):
        precision.choose(FULL.but(precision="fp16", master_weights=False), "cuda")


def test_two_processes_train_what_one_does(tmp_path):
    """The same batch divided in two, by SGD, whose steps are as long as the gradient is scaled."""
    config = FULL.but(optimizer="sgd", learning_rate=0.03, micro_batch_size=16, spectra=False)
    config.save(tmp_path / "run.json")
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run(
        [*program, "-m", "lorabook", "llm", "train", str(tmp_path / "run.json"), "--out", str(tmp_path / "two")],
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    one = runs.run(config, tmp_path / "one")
    two = json.loads((tmp_path / "two" / "result.json").read_text())
    np.testing.assert_allclose(np.array(two["losses"]), np.array(one["losses"]), rtol=1e-5)
    old = models.load("tiny")[0].state_dict()
    first, second = (load_file(tmp_path / name / "weights" / "model.safetensors") for name in ("one", "two"))
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=1e-4, atol=1e-6)
    assert max(float((first[name] - old[name]).abs().max()) for name in first) > 1e-3
