"""How the energy of a trained update is spread over singular values, layer by layer (Section 4 of the paper)."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lorabook import _validate, spectra
from lorabook._arrays import Integer, Real
from lorabook.llm.models import LINEAR_TYPES

__all__ = ["SHARES", "UpdateSpectra", "of_adapter", "of_checkpoints", "of_models", "ranks_drawn"]

SHARES = (0.8, 0.9, 0.95)
"""Shares of the energy whose ranks are reported."""
_SINGULAR_VALUES, _SUMMARY = "singular_values.safetensors", "summary.json"
_LAYER = re.compile(r"(layers\.\d+\.\w+\.(?:" + "|".join(LINEAR_TYPES) + r"))\.")


@dataclass(frozen=True)
class UpdateSpectra:
    """Singular values of the update of every linear layer, by the layer's name ("layers.0.self_attn.q_proj")."""

    singular_values: dict
    """Descending; where they were computed by a randomised method, only the leading ones."""
    norms: dict
    """Frobenius norm of each update."""
    relative: dict = field(default_factory=dict)
    """The same divided by the norm of the weight before; empty where that is not known."""
    unchanged: tuple = ()
    """Layers whose update is exactly zero, and has no spectrum."""
    rounded: str | None = None
    """The type of the stored weights, if it has so few digits that their rounding is part of the update."""

    def energy(self, layer: str) -> np.ndarray:
        """The share of the update's energy in its k leading singular values, for k = 1, 2, …

        Raises ValueError if there is no such layer, or it did not change.
        """
        if layer not in self.singular_values:
            raise ValueError(f"layer is {layer!r}; it must be one of {sorted(self.singular_values)}")
        return np.cumsum(self.singular_values[layer] ** 2) / self.norms[layer] ** 2

    def bands(self, linear_type: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """k = 1, 2, 4, …, 256 and, over the blocks, the median and both quartiles of the energy there.

        Raises ValueError unless the type is one of the seven linear ones and some block's layer changed.
        """
        layers = self._of_type(linear_type)
        k = ranks_drawn(min(len(self.singular_values[layer]) for layer in layers))
        energies = np.array([self.energy(layer)[k - 1] for layer in layers])
        lower, median, upper = np.quantile(energies, [0.25, 0.5, 0.75], axis=0)
        return k, median, lower, upper

    def ranks(self, share: Real) -> dict:
        """The least rank of every layer that holds this share of its energy; None where it is beyond those computed."""
        found = {}
        for layer in self.singular_values:
            energy = self.energy(layer)
            # Rounding may leave the last of all shares a little below 1.
            reached = share <= energy[-1] * (1 + 1e-6)
            found[layer] = spectra.rank_reaching(energy, share) if reached else None
        return found

    def to_dict(self) -> dict:
        """Energies at k = 1, 2, 4, …, and the ranks at 80, 90 and 95 %, for JSON."""
        layers = {}
        for layer, values in self.singular_values.items():
            k = ranks_drawn(len(values))
            layers[layer] = {
                "energy": dict(zip(map(str, k.tolist()), self.energy(layer)[k - 1].tolist(), strict=True)),
                "norm": self.norms[layer],
                "relative_norm": self.relative.get(layer),
            }
        for share in SHARES:
            for layer, rank in self.ranks(share).items():
                layers[layer][f"rank_at_{100 * share:.0f}"] = rank
        return {"layers": layers, "unchanged": list(self.unchanged), "rounded": self.rounded}

    def save(self, folder: str | Path) -> None:
        """Write singular values as safetensors and the rest as JSON."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.singular_values, folder / _SINGULAR_VALUES)
        rest = {"norms": self.norms, "relative": self.relative, "unchanged": self.unchanged, "rounded": self.rounded}
        (folder / _SUMMARY).write_text(json.dumps(rest, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "UpdateSpectra":
        """What `save` wrote."""
        from safetensors.numpy import load_file

        rest = json.loads((Path(folder) / _SUMMARY).read_text("utf-8"))
        values = load_file(Path(folder) / _SINGULAR_VALUES)
        return cls(values, rest["norms"], rest["relative"], tuple(rest["unchanged"]), rest["rounded"])

    def _of_type(self, linear_type: str) -> list[str]:
        if linear_type not in LINEAR_TYPES:
            raise ValueError(f"linear_type is {linear_type!r}; it must be one of {list(LINEAR_TYPES)}")
        layers = [layer for layer in self.singular_values if layer.endswith(linear_type)]
        if not layers:
            raise ValueError(f"linear_type is {linear_type!r}; none of its layers changed")
        return layers


def ranks_drawn(largest: Integer) -> np.ndarray:
    """1, 2, 4, …, 256, as far as there are singular values.

    >>> ranks_drawn(40)
    array([ 1,  2,  4,  8, 16, 32])
    """
    largest = _validate.integer("largest", largest, 1)
    return 2 ** np.arange(min(9, largest.bit_length()))


def of_models(before, after) -> UpdateSpectra:
    """The update of a model in memory, where its weights are, in float32.

    `after` is a trained torch model and `before` the one it was trained from, on any device: its layers come to those
    of `after` one at a time. Of a PEFT model the update is that of its adapter, and `before` may be None.

    Raises ValueError if the layers of the two models differ.
    """
    from lorabook.llm.models import linear_layers

    layers = linear_layers(after)
    if hasattr(after, "peft_config"):
        return _collect((name, _of_factors(*_factors(layer)), _base(layer)) for name, layer in layers.items())
    old = linear_layers(before)
    if set(old) != set(layers):
        raise ValueError(f"before has other layers than after: {sorted(set(old) ^ set(layers))[:3]}")

    def both():
        for name, layer in layers.items():
            W, V = layer.weight, old[name].weight.to(layer.weight.device)
            yield name, _exact(W, V), V

    return _collect(both())


def of_checkpoints(
    before: str | Path, after: str | Path, device: str = "cpu", rank: Integer | None = None, seed: Integer = 0
) -> UpdateSpectra:
    """The update between two folders with safetensors, in one file or in shards; one layer is in memory at a time.

    With `rank`, the leading singular values alone, by a randomised method; without it, all of them exactly.
    If a checkpoint is stored in bf16 or fp16, the rounding of its weights is part of the update: nearly white, it
    fills the tail of the spectrum. `rounded` then says so.

    Raises ValueError if a folder holds no safetensors, or other layers than the other.
    """
    import torch

    old, new = _stored(before), _stored(after)
    if set(old) != set(new):
        raise ValueError(f"'{before}' has other layers than '{after}': {sorted(set(old) ^ set(new))[:3]}")
    types = set()

    def layers():
        for name in new:
            W, V = new[name]().to(device), old[name]().to(device)
            types.update((W.dtype, V.dtype))
            if rank is None:
                yield name, _exact(W, V), V
            else:
                with torch.random.fork_rng():
                    torch.manual_seed(seed)
                    delta = W.float() - V.float()
                    yield name, (torch.svd_lowrank(delta, rank, niter=4)[1], delta.norm()), V

    found = _collect(layers())
    few = sorted(str(kind).removeprefix("torch.") for kind in types if kind in (torch.bfloat16, torch.float16))
    return UpdateSpectra(found.singular_values, found.norms, found.relative, found.unchanged, few[0] if few else None)


def of_adapter(folder: str | Path, device: str = "cpu") -> UpdateSpectra:
    """The update of a saved LoRA adapter, `alpha / r B A`, from its factors without their product.

    Raises ValueError if the folder holds no adapter of LoRA's plain kind.
    """
    from safetensors import safe_open

    folder = Path(folder)
    try:
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"'{folder}' holds no adapter; there is no adapter_config.json") from None
    if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("rank_pattern"):
        raise ValueError(f"'{folder}' holds an adapter of another kind than LoRA with one rank")
    scale = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
    factors = {}
    with safe_open(folder / "adapter_model.safetensors", "pt", device=device) as file:
        for key in file.keys():  # noqa: SIM118 (the file is no mapping)
            if layer := _LAYER.search(key):
                factors.setdefault(layer[1], {})["A" if "lora_A" in key else "B"] = file.get_tensor(key)
    return _collect((name, _of_factors(scale * both["B"].float(), both["A"]), None) for name, both in factors.items())


def _collect(layers) -> UpdateSpectra:
    values, norms, relative, unchanged = {}, {}, {}, []
    for name, (singular_values, norm), before in layers:
        if float(norm) == 0.0:
            unchanged.append(name)
            continue
        values[name] = singular_values.double().cpu().numpy()
        norms[name] = float(norm)
        if before is not None and bool(before.any()):
            relative[name] = float(norm) / float(before.detach().float().norm())
    return UpdateSpectra(values, norms, relative, tuple(unchanged))


def _exact(after, before):
    import torch

    with torch.no_grad():
        delta = after.float() - before.float()
        values = torch.linalg.svdvals(delta)
    return values, values.double().square().sum().sqrt()


def _of_factors(B, A):
    """The singular values of B A are those of the product of their triangular factors."""
    import torch

    with torch.no_grad():
        core = torch.linalg.qr(B.double(), mode="r")[1] @ torch.linalg.qr(A.double().T, mode="r")[1].T
        values = torch.linalg.svdvals(core)
    return values, values.square().sum().sqrt()


def _factors(layer) -> tuple:
    (adapter,) = layer.active_adapters
    return layer.scaling[adapter] * layer.lora_B[adapter].weight, layer.lora_A[adapter].weight


def _base(layer):
    return layer.get_base_layer().weight


def _stored(folder: str | Path) -> dict[str, Callable]:
    """For every linear layer of a checkpoint, a function that reads its weight."""
    from safetensors import safe_open

    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise ValueError(f"'{folder}' holds no safetensors; it must be the folder of a model")

    def reader(path, key):
        def read():
            with safe_open(path, "pt") as file:
                return file.get_tensor(key)

        return read

    found = {}
    for path in files:
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 (the file is no mapping)
                layer = _LAYER.search(key)
                if layer and key.endswith(f"{layer[1]}.weight"):
                    found[layer[1]] = reader(path, key)
    return found
