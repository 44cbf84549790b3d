"""The mean of checkpoints is the mean of their numbers, and needs the memory of one shard."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_llm_encoding import WORDS, small_model
from transformers import AutoModelForCausalLM

from lorabook.llm import averaging, models, training
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.scoring import Score


@pytest.fixture
def three(tmp_path):
    """Three models, each a random distance from one, saved whole and in shards of two sizes."""
    models, folders = [], []
    for i, size in enumerate(("5GB", "2KB", "3KB")):
        model, rng = small_model(), torch.Generator().manual_seed(i)
        for weight in model.parameters():
            weight.data += torch.randn(weight.shape, generator=rng)
        model.save_pretrained(tmp_path / f"seed-{i}", max_shard_size=size)
        models.append(model)
        folders.append(tmp_path / f"seed-{i}")
    return models, folders


def explicit(models):
    return {
        name: torch.stack([dict(model.named_parameters())[name].detach() for model in models]).double().mean(dim=0)
        for name, _ in models[0].named_parameters()
    }


def weights(folder):
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


def test_the_mean_in_float32(three, tmp_path):
    models, folders = three
    found = weights(averaging.average(folders, tmp_path / "mean", "float32"))
    wanted = explicit(models)
    assert set(found) == set(wanted)
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor.double(), wanted[name], rtol=1e-6, atol=1e-6)


def test_the_mean_is_taken_before_the_cast(three, tmp_path):
    """By default to bfloat16: the same as casting the float32 mean, and not the mean of what was cast before."""
    models, folders = three
    found = weights(averaging.average(folders, tmp_path / "mean"))
    exact = weights(averaging.average(folders, tmp_path / "exact", "float32"))
    assert all(torch.equal(tensor, exact[name].to(torch.bfloat16)) for name, tensor in found.items())
    early = {
        name: torch.stack([dict(m.named_parameters())[name].bfloat16() for m in models]).mean(dim=0) for name in found
    }
    assert any(not torch.equal(tensor, early[name]) for name, tensor in found.items())


def test_shards_change_nothing(three, tmp_path):
    one = averaging.average(three[1], tmp_path / "one")
    many = averaging.average(three[1], tmp_path / "many", shard_bytes=1000)
    assert len(list(many.glob("*.safetensors"))) > 3
    assert not list(many.glob("part-*"))
    first, second = weights(one), weights(many)
    assert set(first) == set(second)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_transformers_loads_it_and_it_computes_as_the_mean(three, tmp_path):
    models, folders = three
    for size in (10**9, 1000):
        folder = averaging.average(folders, tmp_path / f"mean-{size}", "float32", shard_bytes=size)
        loaded = AutoModelForCausalLM.from_pretrained(folder)
        wanted = copy.deepcopy(models[0])
        wanted.load_state_dict({name: w.float() for name, w in explicit(models).items()}, strict=False)
        ids = torch.arange(12)[None]
        with torch.no_grad():
            torch.testing.assert_close(loaded(ids).logits, wanted(ids).logits, rtol=1e-4, atol=1e-4)


def test_one_checkpoint_is_its_own_mean(three, tmp_path):
    found = weights(averaging.average(three[1][:1], tmp_path / "mean", "float32"))
    assert all(torch.equal(tensor, weights(three[1][0])[name]) for name, tensor in found.items())


MEASURED = """
import resource, sys
from pathlib import Path
from lorabook.llm import averaging
import torch, safetensors.torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
averaging.average([Path(p) for p in sys.argv[2:]], sys.argv[1], "float32", shard_bytes=8_000_000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_memory_stays_near_one_shard(tmp_path):
    """Four checkpoints of 96 MB, in tensors of 4 MB and shards of 8 MB: far less than one of them is ever held.

    Pages of the files that the system maps count as well, so the bound is half a checkpoint and not one shard.
    """
    for i in range(4):
        (tmp_path / f"{i}").mkdir()
        save_file(
            {f"w{k:02d}": torch.full((1000, 1000), float(i)) for k in range(24)},
            tmp_path / f"{i}" / "model.safetensors",
        )
    folders = [str(tmp_path / f"{i}") for i in range(4)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "out"), *folders], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 48e6
    found = weights(tmp_path / "out")
    assert len(found) == 24
    assert all((tensor == 1.5).all() for tensor in found.values())


def test_what_cannot_be_averaged(three, tmp_path):
    models, folders = three
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="checkpoints is empty"):
        averaging.average([], out)
    with pytest.raises(ValueError, match="dtype is 'int8'"):
        averaging.average(folders, out, "int8")
    with pytest.raises(ValueError, match="it must be a new or an empty folder"):
        averaging.average(folders, folders[0])
    with pytest.raises(ValueError, match=r"'.*nowhere' holds no model"):
        averaging.average([tmp_path / "nowhere"], out)
    bad = copy.deepcopy(models[0])
    bad.model.norm.weight.data[3] = float("inf")
    bad.save_pretrained(tmp_path / "infinite")
    with pytest.raises(ValueError, match=r"model.norm.weight has numbers that are not finite"):
        averaging.average([folders[0], tmp_path / "infinite"], out)
    for name, change in (("fewer", {"b"}), ("shape", {"a"})):
        (tmp_path / name).mkdir()
        tensors = {
            key: torch.ones(2 if key not in change else 3) for key in ("a", "b") if not (name == "fewer" and key == "b")
        }
        save_file(tensors, tmp_path / name / "model.safetensors")
    (tmp_path / "whole").mkdir()
    save_file({"a": torch.ones(2), "b": torch.ones(2)}, tmp_path / "whole" / "model.safetensors")
    with pytest.raises(ValueError, match=r"has other tensors than '.*whole': \['b'\]"):
        averaging.average([tmp_path / "whole", tmp_path / "fewer"], out)
    with pytest.raises(ValueError, match=r"a has the shapes \(2,\) and \(3,\)"):
        averaging.average([tmp_path / "whole", tmp_path / "shape"], out)
    assert not out.exists()
    assert not list(tmp_path.glob("*.tmp"))


def test_adapters_are_merged_first(tmp_path):
    """They are refused with what to do; done, the mean is that of the models and not that of the factors."""
    small_model().save_pretrained(tmp_path / "base")
    WORDS.save_pretrained(tmp_path / "base")
    config = FineTuneConfig(model=str(tmp_path / "base"), task="csqa", method="lora", rank=2)
    for i in range(2):
        model = training.adapted(small_model(), config)
        rng = torch.Generator().manual_seed(i)
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.data = torch.randn(weight.shape, generator=rng)
        model.save_pretrained(tmp_path / f"adapter-{i}")
    folders = [tmp_path / f"adapter-{i}" for i in range(2)]
    with pytest.raises(ValueError, match=r"adapter-0' holds an adapter.* average the whole models: .*\.load_trained"):
        averaging.average(folders, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
    wholes = []
    for folder in folders:
        models.load_trained(folder, config.model)[0].merge_and_unload().save_pretrained(
            tmp_path / f"{folder.name}-whole"
        )
        wholes.append(tmp_path / f"{folder.name}-whole")
    found = weights(averaging.average(wholes, tmp_path / "mean", "float32"))
    base, factors = weights(tmp_path / "base"), [weights(folder) for folder in folders]
    key = "model.layers.0.self_attn.q_proj"
    products = [
        f[f"base_model.model.{key}.lora_B.weight"] @ f[f"base_model.model.{key}.lora_A.weight"] for f in factors
    ]
    wanted = base[f"{key}.weight"] + 2.0 * (products[0] + products[1]) / 2
    torch.testing.assert_close(found[f"{key}.weight"], wanted, rtol=1e-4, atol=1e-4)


def test_integers_must_agree(tmp_path):
    for name, value in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        save_file(
            {"steps": torch.tensor([value]), "w": torch.tensor([float(value)])}, tmp_path / name / "model.safetensors"
        )
    assert weights(averaging.average([tmp_path / "a", tmp_path / "b"], tmp_path / "out"))["steps"].tolist() == [1]
    with pytest.raises(ValueError, match="steps is of integers"):
        averaging.average([tmp_path / "a", tmp_path / "c"], tmp_path / "other")


def score(right):
    return Score(tuple(bool(answer) for answer in right), 0.5)


def test_the_reference_is_the_better_model():
    rng = np.random.default_rng(0)
    good = rng.random(1000) < 0.8
    worse = good & (rng.random(1000) < 0.9)
    found = averaging.choose_reference({"sgd average": score(worse), "adamw": score(good)})
    assert (found.name, found.accuracy) == ("adamw", good.mean())
    assert found.ahead.mean == pytest.approx(good.mean() - worse.mean())
    difference = good.astype(float) - worse
    half = 1.9623 * difference.std(ddof=1) / np.sqrt(1000)  # Student's quantile with 999 degrees of freedom
    assert found.ahead.half_width == pytest.approx(half, rel=1e-4)
    assert not found.is_tie


def test_a_tie_is_said():
    rng = np.random.default_rng(0)
    found = averaging.choose_reference({name: score(rng.random(1000) < 0.8) for name in ("adamw", "sgd average")})
    assert found.is_tie
    same = {"adamw": score([1, 0, 1]), "sgd average": score([0, 1, 1])}
    assert averaging.choose_reference(same).name == "adamw"
    assert averaging.choose_reference({"adamw": score([1])}).ahead is None


def test_references_need_one_test():
    with pytest.raises(ValueError, match="scores must hold a Score"):
        averaging.choose_reference({})
    with pytest.raises(ValueError, match=r"scores are of \[1, 2\] items"):
        averaging.choose_reference({"a": score([1]), "b": score([1, 1])})
