"""Spectra of trained updates, against numpy's singular values of explicit differences."""

import copy
import json

import numpy as np
import pytest
import torch
from test_llm_encoding import small_model

from lorabook import spectra
from lorabook.llm import models, training, updates
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.updates import UpdateSpectra

LORA = FineTuneConfig(model="elsewhere", task="csqa", method="lora", rank=3, alpha=4.5)


@pytest.fixture
def pair():
    """A model and the same after an update of full rank, of which one layer has none."""
    before = small_model()
    after = copy.deepcopy(before)
    rng = torch.Generator().manual_seed(1)
    for name, layer in models.linear_layers(after).items():
        if name != "layers.1.mlp.up_proj":
            layer.weight.data += 0.01 * torch.randn(layer.weight.shape, generator=rng)
    return before, after


def explicit(before, after):
    old, new = models.linear_layers(before), models.linear_layers(after)
    return {name: (new[name].weight - old[name].weight).detach().double().numpy() for name in new}


def assert_same(found, deltas, rtol=1e-4):
    assert set(found.singular_values) == {name for name, delta in deltas.items() if delta.any()}
    for name, values in found.singular_values.items():
        wanted = np.linalg.svd(deltas[name], compute_uv=False)[: len(values)]
        np.testing.assert_allclose(values, wanted, rtol=rtol, atol=1e-6 * wanted[0])
        assert found.norms[name] == pytest.approx(np.linalg.norm(deltas[name]), rel=1e-5)


def test_full_updates_are_their_singular_values(pair):
    found, deltas = updates.of_models(*pair), explicit(*pair)
    assert len(deltas) == 14
    assert_same(found, deltas)
    assert found.unchanged == ("layers.1.mlp.up_proj",)
    for name, values in found.singular_values.items():
        np.testing.assert_allclose(
            found.energy(name), spectra.cumulative_energy(deltas[name])[: len(values)], rtol=1e-4
        )
        before = models.linear_layers(pair[0])[name].weight.detach().numpy()
        assert found.relative[name] == pytest.approx(np.linalg.norm(deltas[name]) / np.linalg.norm(before), rel=1e-4)


def test_the_model_before_may_be_on_another_device(pair, monkeypatch):
    """As after training on a GPU: its layers come to the device of the trained ones, and it stays where it is.

    The device here computes shapes alone, so what is to be collected is looked at before it is.
    """
    before, after = pair[0], copy.deepcopy(pair[1]).to("meta")
    found = []
    monkeypatch.setattr(updates, "_collect", lambda layers: found.extend(layers) or UpdateSpectra({}, {}))
    updates.of_models(before, after)
    shapes = {name: layer.weight.shape for name, layer in models.linear_layers(before).items()}
    assert {name: old.shape for name, _, old in found} == shapes
    for name, (values, norm), old in found:
        assert {part.device.type for part in (values, norm, old)} == {"meta"}
        assert values.shape == (min(shapes[name]),)
    assert {weight.device.type for weight in before.parameters()} == {"cpu"}


def test_checkpoints_in_one_file_and_in_shards(pair, tmp_path):
    before, after = pair
    before.save_pretrained(tmp_path / "before", max_shard_size="2KB")
    after.save_pretrained(tmp_path / "whole")
    after.save_pretrained(tmp_path / "shards", max_shard_size="3KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 3
    for folder in ("whole", "shards"):
        found = updates.of_checkpoints(tmp_path / "before", tmp_path / folder)
        assert_same(found, explicit(*pair))
        assert found.rounded is None
        assert found.unchanged == ("layers.1.mlp.up_proj",)


@pytest.fixture
def adapter():
    """A model with factors of rank 3 that are not zero, and the same merged."""
    model = training.adapted(small_model(), LORA)
    rng = torch.Generator().manual_seed(2)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, generator=rng)
    merged = copy.deepcopy(model).merge_and_unload()
    return model, merged


def test_adapters_are_alpha_over_r_b_a(adapter, tmp_path):
    model, merged = adapter
    model.save_pretrained(tmp_path)
    for found in (updates.of_models(None, model), updates.of_adapter(tmp_path)):
        assert {len(values) for values in found.singular_values.values()} == {3}
        assert_same(found, explicit(small_model(), merged), rtol=1e-3)
    assert found.relative == {}


def test_an_adapter_is_never_multiplied_out(adapter, tmp_path, monkeypatch):
    """Nothing as large as a weight is formed: only factors, and matrices of the size of the rank."""
    adapter[0].save_pretrained(tmp_path)
    svdvals, shapes = torch.linalg.svdvals, []
    monkeypatch.setattr(torch.linalg, "svdvals", lambda matrix: shapes.append(matrix.shape) or svdvals(matrix))
    updates.of_adapter(tmp_path)
    assert set(shapes) == {(3, 3)}


def test_randomised_where_it_is_asked(pair, tmp_path):
    before, after = pair
    for layer in models.linear_layers(after).values():
        scale = torch.linspace(1, 0.01, min(layer.weight.shape))
        U, _, V = torch.linalg.svd(torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(3)), False)
        layer.weight.data = layer.weight.data * 0 + U * scale**4 @ V
    for layer in models.linear_layers(before).values():
        layer.weight.data *= 0
    before.save_pretrained(tmp_path / "before")
    after.save_pretrained(tmp_path / "after")
    found = updates.of_checkpoints(tmp_path / "before", tmp_path / "after", rank=4)
    assert_same(found, explicit(before, after), rtol=0.03)  # the last of those asked for is the least exact
    assert {len(values) for values in found.singular_values.values()} == {4}
    again = updates.of_checkpoints(tmp_path / "before", tmp_path / "after", rank=4)
    assert all((again.singular_values[name] == values).all() for name, values in found.singular_values.items())
    assert set(found.ranks(0.999999).values()) == {None}


def test_a_low_rank_update_reads_as_one(tmp_path):
    before, after = small_model(), small_model()
    for layer in models.linear_layers(after).values():
        layer.weight.data += torch.randn(layer.weight.shape[0], 2) @ torch.randn(2, layer.weight.shape[1])
    found = updates.of_models(before, after)
    for name in found.singular_values:
        assert found.energy(name)[1] == pytest.approx(1.0, abs=1e-9)
        assert found.energy(name)[0] < 0.999
    assert set(found.ranks(0.9999).values()) == {2}


def test_rounding_to_bf16_fills_the_tail(tmp_path):
    """The same update of rank 2, from checkpoints in float32 and in bfloat16."""
    before, after = small_model(), small_model()
    for layer in models.linear_layers(after).values():
        layer.weight.data += 1e-3 * torch.randn(layer.weight.shape[0], 2) @ torch.randn(2, layer.weight.shape[1])
    for kind in ("float32", "bfloat16"):
        for name, model in (("before", before), ("after", after)):
            model.to(getattr(torch, kind)).save_pretrained(tmp_path / kind / name)
    exact, rounded = (
        updates.of_checkpoints(tmp_path / k / "before", tmp_path / k / "after") for k in ("float32", "bfloat16")
    )
    assert (exact.rounded, rounded.rounded) == (None, "bfloat16")
    for name in exact.singular_values:
        assert exact.energy(name)[1] > 0.9999
        assert rounded.energy(name)[1] < 0.98


def test_bands_are_quartiles_over_the_blocks(pair):
    found = updates.of_models(*pair)
    k, median, lower, upper = found.bands("q_proj")
    assert k.tolist() == [1, 2, 4, 8, 16]
    both = np.array([found.energy(f"layers.{i}.self_attn.q_proj")[k - 1] for i in (0, 1)])
    np.testing.assert_allclose(median, both.mean(axis=0))
    np.testing.assert_allclose(lower, np.quantile(both, 0.25, axis=0))
    np.testing.assert_allclose(upper, np.quantile(both, 0.75, axis=0))
    assert len(found.bands("up_proj")[1]) == 5  # of the one block that changed
    with pytest.raises(ValueError, match="linear_type is 'lm_head'"):
        found.bands("lm_head")


def test_ranks_by_their_definition(pair):
    found = updates.of_models(*pair)
    for share in updates.SHARES:
        for name, rank in found.ranks(share).items():
            energy = found.energy(name)
            assert energy[rank - 1] >= share
            assert rank == 1 or energy[rank - 2] < share


def test_what_is_saved_is_loaded(pair, tmp_path):
    found = updates.of_models(*pair)
    found.save(tmp_path / "spectra")
    again = UpdateSpectra.load(tmp_path / "spectra")
    assert again.to_dict() == found.to_dict()
    assert all((again.singular_values[name] == values).all() for name, values in found.singular_values.items())
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["layers"]["layers.0.self_attn.q_proj"]["energy"]["16"] == pytest.approx(1.0)


def test_what_cannot_be_compared(pair, tmp_path):
    before, after = pair
    before.save_pretrained(tmp_path / "before")
    with pytest.raises(ValueError, match=r"'.*nothing' holds no safetensors"):
        updates.of_checkpoints(tmp_path / "before", tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"'.*before' holds no adapter"):
        updates.of_adapter(tmp_path / "before")
    model, _ = models.load("tiny")
    model.save_pretrained(tmp_path / "tiny")
    del after.model.layers[1]
    with pytest.raises(ValueError, match="before has other layers than after"):
        updates.of_models(before, after)
    after.save_pretrained(tmp_path / "after")
    with pytest.raises(ValueError, match="has other layers than"):
        updates.of_checkpoints(tmp_path / "before", tmp_path / "after")
    with pytest.raises(ValueError, match="layer is 'q_proj'; it must be one of"):
        updates.of_models(before, before).energy("q_proj")
