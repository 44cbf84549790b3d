"""Grids: what they expand to, the choice of learning rates, and one clear error for what makes no sense."""

import json

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from lorabook.llm import estimates, runs, scoring, training, work
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.grid import Cell, Grid, shipped

VALUES = {
    "name": "small",
    "base": {
        "model": "tiny", "task": "csqa", "data": "synthetic", "shift_rank": 1, "epochs": 2, "n": 64, "test_n": 50,
        "validation": 0.0, "micro_batch_size": 32, "spectra": False,
    },
    "methods": [
        {"method": "full", "rates": [1e-3, 2e-3]},
        {"method": "lora", "rank": 2, "rates": [5e-3, 7e-3, 1e-2]},
        {"method": "lora", "rank": 8, "rates": [3e-3]},
    ],
    "axes": {"noise": [0.0, 0.4], "shift_rank": [1, 12]},
    "repeats": [{"seed": 0, "shift_seed": 0}, {"seed": 1, "shift_seed": 1}],
    "search": {
        "score": "test",
        "repeats": [{"seed": 100, "shift_seed": 100}],
        "choices": {"clean": {"noise": 0.0}, "own": {}},
    },
}  # fmt: skip


def grid(**changes):
    return Grid.from_dict(VALUES | changes)


def put_result(out, cell: Cell, accuracy: float, status: str = "done"):
    folder = work.folder_of(out, cell)
    folder.mkdir(parents=True, exist_ok=True)
    correct = round(50 * accuracy)
    score = {"correct": correct, "count": 50, "accuracy": correct / 50, "items": "1" * correct + "0" * (50 - correct)}
    result = {"status": status, "config": cell.config.to_dict(), "hashes": {"test": f"{cell.repeat}"}}
    runs.write_json(folder / runs.RESULT, result | {"metrics": {"test": score} if status == "done" else {}})


def test_searches_are_one_for_each_method_and_place():
    """At the clean places for both choices, at the noisy ones for the second alone; none for a single rate."""
    found = grid().searches()
    assert len(found) == 2 * 4
    assert {search.method for search in found} == {"full", "LoRA, r = 2"}
    for search in found:
        rates = [1e-3, 2e-3] if search.method == "full" else [5e-3, 7e-3, 1e-2]
        assert list(search.cells) == rates
        for rate, cells in search.cells.items():
            assert [cell.config.learning_rate for cell in cells] == [rate]
            assert all(cell.config.seed == 100 for cell in cells)
            assert all(
                (cell.config.noise, cell.config.shift_rank) == tuple(dict(search.place).values()) for cell in cells
            )


def test_the_best_rate_is_used_where_it_was_searched(tmp_path):
    small = grid()
    for search in small.searches():
        noisy = dict(search.place)["noise"] > 0
        for i, cells in enumerate(search.cells.values()):
            best = 0 if noisy else 1
            put_result(tmp_path, cells[0], 0.8 if i == best else 0.6)
    chosen = work.choose_rates(small, small.searches(), tmp_path)
    cells = small.cells(work.rates(chosen))
    assert {len(some) for some in cells.values()} == {3 * 4 * 2}
    for choice, some in cells.items():
        for cell in some:
            noisy = choice == "own" and cell.config.noise > 0
            wanted = {"full": (2e-3, 1e-3), "LoRA, r = 2": (7e-3, 5e-3), "LoRA, r = 8": (3e-3, 3e-3)}[cell.method]
            assert cell.config.learning_rate == wanted[noisy]
    clean = [{cell.id for cell in some if cell.config.noise == 0.0} for some in cells.values()]
    assert clean[0] == clean[1]  # and so they are run once
    for (method, place), search in chosen.items():
        assert search["at_the_end"] == (method == "full" or dict(place)["noise"] > 0)


def test_ties_go_to_the_smaller_rate_and_divergence_to_none(tmp_path):
    small = grid()
    for search in small.searches():
        for rate, cells in search.cells.items():
            largest = rate == max(search.cells)
            put_result(tmp_path, cells[0], 0.9 if largest else 0.5, "diverged" if largest else "done")
    chosen = work.rates(work.choose_rates(small, small.searches(), tmp_path))
    assert {rate for (method, _), rate in chosen.items() if method == "LoRA, r = 2"} == {5e-3}


def test_a_rate_is_compared_only_when_all_its_runs_are_there(tmp_path):
    small = grid()
    search = small.searches()[0]
    put_result(tmp_path, search.cells[1e-3][0], 0.5)
    chosen = work.choose_rates(small, small.searches(), tmp_path)
    assert list(chosen) == [(search.method, search.place)]
    assert chosen[(search.method, search.place)]["scores"] == {1e-3: 0.5}


def test_the_same_configuration_is_the_same_cell():
    """Whether a number was written as an integer or not."""
    a = grid(axes={"noise": [0, 0.4]}).all_cells()[1][0]
    b = grid(axes={"noise": [0.0, 0.4]}).all_cells()[1][0]
    c = grid(axes={"noise": [0.1, 0.4]}).all_cells()[1][0]
    assert a.id == b.id != c.id


def test_a_grid_survives_json():
    small = grid()
    assert Grid.from_dict(json.loads(json.dumps(small.to_dict()))) == small


@pytest.mark.parametrize("name", ["noise", "samples", "sizes"])
def test_shipped_grids(name):
    """Each with a tiny version; every method of them has rates of its own, and none of them is a single one."""
    assert name in shipped()
    for tiny in (False, True):
        one = Grid.load(name, tiny)
        tried, compared = one.all_cells()
        assert tried
        assert compared
        assert all(cell.config.model == "tiny" for cell in compared) == tiny
        assert min(len(method["rates"]) for method in one.methods) >= 2
        assert not {json.dumps(r, sort_keys=True) for r in one.repeats} & {
            json.dumps(r, sort_keys=True) for r in one.search_repeats
        }


def test_the_papers_ranks_and_levels():
    ranks = [1, 8, 16, 32, 64, 128, 256]
    assert [m["rank"] for m in Grid.load("noise").methods if m["method"] == "lora"] == ranks
    assert Grid.load("noise").axes == {"task": ["boolq", "csqa"], "noise": [0.0, 0.1, 0.2, 0.3, 0.4]}
    assert Grid.load("samples").axes["n"] == [100, 300, 1000, 3000, None]
    assert all(len(Grid.load(name).repeats) == 5 for name in shipped())


def test_the_tiny_grids_have_five_shifts_in_each_of_three_worlds():
    for name in ("noise", "samples"):
        pairs = [(repeat["world_seed"], repeat["shift_seed"]) for repeat in Grid.load(name, True).repeats]
        assert len(set(pairs)) == 15
        assert {world for world, _ in pairs} == {0, 1, 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis": {}}, r"grid has the unknown entries \['axis'\]"),
        ({"search": {"choice": {}}}, r"search has the unknown entries \['choice'\]"),
        ({"search": {"choices": {"clean": {"noize": 0}}}}, r"search.choices.clean has the unknown entries \['noize'\]"),
        ({"search": {"score": "train"}}, "search.score is 'train'"),
        ({"axes": {"noise": []}}, "an axis without values"),
        ({"axes": {"noize": [0.0]}, "search": {}}, "'noize': no such field"),
        ({"axes": {"noise": [2.0]}}, "noise is 2; it must be at most 1"),
        ({"methods": [{"method": "full", "rates": 1e-3}]}, "rates is 0.001; it must be a list"),
        ({"methods": [{"method": "full"}, {"method": "full"}]}, "two are the same method"),
        ({"methods": [{"method": "lora", "rank": 65}]}, "rank is 65; the layers of tiny are 64 wide"),
        ({"methods": []}, "it has no cells"),
    ],
)
def test_what_makes_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        grid(**changes)


def test_errors_name_the_file(tmp_path):
    for text, message in (("name: [", "is not YAML"), ("name: a", "base is missing"), ("- 1", "a grid is a mapping")):
        path = tmp_path / "grid.yaml"
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=rf"grid\.yaml.*{message}"):
            Grid.load(path)
    with pytest.raises(ValueError, match=r"grid is 'noize'; it must be a file, or one of \['noise', 'samples'"):
        Grid.load("noize")
    path.write_text(json.dumps(VALUES), "utf-8")
    with pytest.raises(ValueError, match="it has no tiny version"):
        Grid.load(path, tiny=True)
    assert Grid.load(path) == grid()


def test_estimates_by_hand():
    """6 P T for full fine-tuning, 4 P T for LoRA and 2 P T for computing the forward pass twice; 16 bytes a weight."""
    full = next(c.config for c in Grid.load("noise").all_cells()[1] if c.method == "full" and c.config.task == "boolq")
    tokens, P = 220 * 9427, 0.494e9
    seconds = (8 * P * 3 * 0.8 * tokens + 2 * P * 220 * (2 * 3270 + 9427)) / 100e12
    assert estimates.of_run(full).hours == pytest.approx(seconds / 3600)
    activations = 1.5e6 * (P / 0.5e9) ** 0.5 * 8 * 512
    assert estimates.of_run(full).memory == pytest.approx(16 * P + activations)
    assert estimates.of_run(full.but(master_weights=False)).memory == pytest.approx(8 * P + activations)
    lora = full.but(method="lora", rank=16)
    assert estimates.of_run(lora).memory == pytest.approx(2 * P + 16 * 16 * 0.55e6 + activations)
    assert estimates.of_run(lora).hours < estimates.of_run(full).hours
    with pytest.raises(ValueError, match="size is missing; that of 'another' is not known"):
        estimates.of_run(full.but(model="another"))
    slow, fast = estimates.of_run(full, gpu="T4"), estimates.of_run(full, gpu="A100 80 GB")
    assert fast == estimates.of_run(full)
    assert slow.memory == fast.memory
    assert slow.hours / fast.hours == pytest.approx(estimates.GPUS["A100"].rate / estimates.GPUS["T4"].rate)
    with pytest.raises(ValueError, match=r"gpu is 'K80'; it must be one of \['T4', 'L4'"):
        estimates.of_run(full, gpu="K80")
    cells = Grid.load("noise").all_cells()[1]
    assert estimates.of_cells(cells + cells).hours == pytest.approx(estimates.of_cells(cells).hours)


def test_memory_counts_the_numbers_that_are_kept():
    """By type and optimizer: what is trained four times, with SGD three times, what is frozen once."""
    full = FineTuneConfig(model="Qwen/Qwen2.5-1.5B", task="boolq", method="full")
    lora, P, factors = full.but(method="lora", rank=16), 1.544e9, 16 * 1.154e6
    half = 1.5e6 * (P / 0.5e9) ** 0.5 * 8 * 512
    for config, weights, activations in (
        (lora, 2 * P + 16 * factors, half),
        (lora.but(precision="bf16"), 2 * P + 16 * factors, half),
        (lora.but(precision="fp32"), 4 * P + 16 * factors, 2 * half),
        (lora.but(master_weights=False), 2 * P + 8 * factors, half),
        (lora.but(master_weights=False, precision="fp32"), 4 * P + 16 * factors, 2 * half),
        (full, 16 * P, half),
        (full.but(optimizer="sgd"), 12 * P, half),
        (full.but(precision="fp32"), 16 * P, 2 * half),
        (full.but(master_weights=False), 8 * P, half),
        (full.but(master_weights=False, optimizer="sgd"), 6 * P, half),
        (full.but(master_weights=False, precision="fp32"), 16 * P, 2 * half),
    ):
        assert estimates.of_run(config).memory == pytest.approx(weights + activations)
    tiny = lora.but(model="tiny", data="synthetic", rank=2)
    assert estimates.of_run(tiny).memory == pytest.approx(0.6e9 + 4 * 0.106e6 + 16 * 2 * 2048)
    assert estimates.of_run(tiny).disk == pytest.approx(2 * 12 * 2 * 2048)
    assert estimates.of_run(full.but(optimizer="sgd"), keep_weights=True).disk == pytest.approx((4 + 2 * 8) * P)


@pytest.mark.parametrize(
    ("method", "weights", "arithmetic", "changes"),
    [
        ("full", "float32", "float32", {"precision": "fp32"}),
        ("full", "float32", "bfloat16", {}),
        ("full", "bfloat16", "bfloat16", {"master_weights": False}),
        ("lora", "float32", "float32", {"precision": "fp32"}),
        ("lora", "bfloat16", "bfloat16", {}),
        ("lora", "bfloat16", "bfloat16", {"master_weights": False}),
    ],
)
def test_activations_without_checkpointing_are_what_autograd_keeps(method, weights, arithmetic, changes):
    """Counted in blocks of Qwen2's proportions; a block's share is the difference between three blocks and one."""
    config = FineTuneConfig(model="like Qwen", task="boolq", method=method, rank=4 if method == "lora" else None)
    config = config.but(micro_batch_size=2, cutoff=61, **changes)
    counted = [kept_by_autograd(config, weights, arithmetic, blocks) for blocks in (1, 3)]
    size = estimates.Size(1e6, 2 * (9 * 112 + 2 * 16 + 3 * 608))
    with_, without = (estimates.of_run(config.but(gradient_checkpointing=c), size=size).memory for c in (True, False))
    assert without - with_ == pytest.approx(counted[1] - counted[0], rel=1 / 6)


def kept_by_autograd(config, weights, arithmetic, blocks):
    """Bytes of the saved tensors that are neither weights nor copies of weights."""
    model = Qwen2ForCausalLM(
        Qwen2Config(
            hidden_size=112, intermediate_size=608, num_attention_heads=7, num_key_value_heads=1,
            num_hidden_layers=blocks, vocab_size=100, attn_implementation="sdpa",
        )
    )  # fmt: skip
    model = training.adapted(model.to(getattr(torch, weights)), config).train()
    shapes = {shape for weight in model.parameters() for shape in (weight.shape, weight.shape[::-1])}
    storages = {}

    def keep(tensor):
        if tensor.shape not in shapes:
            storages[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no other one takes its place
        return tensor

    mask = torch.ones(config.micro_batch_size, config.cutoff, dtype=torch.long)
    mask[1, :5] = 0
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=weights != arithmetic)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
        scoring.last_logits(model, {"input_ids": 0 * mask, "attention_mask": mask}, 3)
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())


def test_the_sizes_are_those_of_the_architecture():
    """Of the tiny model, counted; of Qwen2.5 by its published shape, a block at a time."""
    from lorabook.llm import models

    model, _ = models.load("tiny")
    layers = models.linear_layers(model).values()
    assert estimates.SIZES["tiny"].adapter == sum(sum(layer.weight.shape) for layer in layers)
    assert estimates.SIZES["tiny"].parameters == pytest.approx(sum(w.numel() for w in model.parameters()), rel=0.01)
    for name, hidden, inner, kv, blocks in (
        ("0.5B", 896, 4864, 128, 24), ("1.5B", 1536, 8960, 256, 28), ("3B", 2048, 11008, 256, 36),
    ):  # fmt: skip
        shapes = [(hidden, hidden), (hidden, kv), (hidden, kv), (hidden, hidden)] + 3 * [(hidden, inner)]
        size = estimates.SIZES[f"Qwen/Qwen2.5-{name}"]
        assert size.adapter == pytest.approx(blocks * sum(map(sum, shapes)), rel=0.01)
        weights = blocks * sum(a * b for a, b in shapes) + 151936 * hidden
        assert size.parameters == pytest.approx(weights, rel=0.01)
