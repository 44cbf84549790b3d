"""A run's configuration: the paper's defaults, one clear error for what makes no sense, and files both ways."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorabook.llm.config import SCHEMA, FineTuneConfig

LORA = FineTuneConfig(model="tiny", task="csqa", method="lora", rank=8)
FULL = FineTuneConfig(model="tiny", task="csqa", method="full")


def test_the_paper_s_defaults():
    assert (LORA.epochs, LORA.batch_size, LORA.clip, LORA.cutoff) == (3.0, 32, 1.0, 512)
    assert (LORA.weight_decay, LORA.dropout, LORA.validation, LORA.data_seed) == (0.01, 0.0, 0.2, 42)
    assert (LORA.learning_rate_used, LORA.warm_up_used, LORA.alpha_used) == (2e-4, 0.02, 16)
    assert (FULL.learning_rate_used, FULL.warm_up_used) == (2e-5, 0.05)
    assert FULL.but(optimizer="sgd").learning_rate_used == 1e-2
    assert LORA.but(model="Qwen/Qwen2.5-0.5B", rank=256).learning_rate_used == 1e-4
    assert LORA.but(learning_rate=3e-4, alpha=8.0, warm_up=0.1).learning_rate_used == 3e-4


CONFIGS = st.builds(
    FineTuneConfig,
    model=st.sampled_from(["tiny", "Qwen/Qwen2.5-0.5B", "ein Ordner/größe"]),
    task=st.sampled_from(["boolq", "csqa"]),
    method=st.just("lora"),
    rank=st.integers(1, 64),
    n=st.none() | st.integers(1, 9000),
    noise=st.floats(0, 1),
    seed=st.integers(0, 2**40),
    learning_rate=st.none() | st.floats(1e-8, 1.0),
    compile=st.booleans(),
)


@given(CONFIGS, st.sampled_from(["a.json", "a.yaml", "a.yml"]))
def test_files_both_ways(tmp_path_factory, config, name):
    path = tmp_path_factory.mktemp("config") / name
    config.save(path)
    assert FineTuneConfig.load(path) == config


def test_a_dictionary_both_ways():
    assert FineTuneConfig.from_dict(FULL.to_dict()) == FULL
    assert json.loads(json.dumps(FULL.to_dict()))["schema"] == SCHEMA


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema is 2; this version reads 1"),
        ({"model": ""}, "model is ''; it must be a name or a folder"),
        ({"task": "mnli"}, r"task is 'mnli'; it must be one of \['boolq', 'csqa'\]"),
        ({"method": "qlora"}, "method is 'qlora'"),
        ({"rank": None}, "rank is missing; LoRA needs one"),
        ({"rank": 0}, "^rank is 0"),
        ({"rank": 8.0}, "^rank is 8.0"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; LoRA is trained with 'adamw'"),
        ({"n": 0}, "^n is 0"),
        ({"noise": 1.5}, "noise is 1.5; it must be at most 1"),
        ({"noise": -0.1}, "^noise is -0.1"),
        ({"seed": -1}, "^seed is -1"),
        ({"epochs": 0}, "^epochs is 0"),
        ({"batch_size": 32, "micro_batch_size": 5}, "micro_batch_size is 5; it must divide the batch_size, 32"),
        ({"learning_rate": 0.0}, "^learning_rate is 0"),
        ({"learning_rate": float("nan")}, "^learning_rate is nan"),
        ({"cutoff": 8}, "^cutoff is 8"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"compile": 1}, "compile is 1; it must be true or false"),
        ({"validation": 1.01}, "validation is 1.01; it must be at most 1"),
        ({"rank": 65}, "rank is 65; the layers of tiny are 64 wide"),
        ({"model": "Qwen/Qwen2.5-0.5B", "rank": 897}, "rank is 897; the layers of Qwen/Qwen2.5-0.5B are 896 wide"),
        ({"shift_rank": 1}, "shift_rank is 1; only synthetic data has a shift, not data 'hub'"),
        ({"data": "synthetic", "shift_rank": 13}, "shift_rank is 13; for csqa it must be at most 12"),
        ({"data": "synthetic", "task": "boolq", "shift_rank": 9}, "shift_rank is 9; for boolq it must be at most 8"),
        ({"data": ""}, "data is ''; it must be 'hub', 'synthetic' or a folder"),
        ({"test_n": 0}, "^test_n is 0"),
        ({"shift_strength": -1.0}, "^shift_strength is -1"),
    ],
)
def test_what_makes_no_sense_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        LORA.but(**changes)


@pytest.mark.parametrize("change", [{"rank": 4}, {"alpha": 2.0}, {"dropout": 0.1}])
def test_full_fine_tuning_has_none_of_lora_s_fields(change):
    with pytest.raises(ValueError, match=rf"^{next(iter(change))} is .*full fine-tuning has none"):
        FULL.but(**change)


def test_unknown_and_missing_keys():
    with pytest.raises(ValueError, match="'learning_rat': no such field; there are"):
        FineTuneConfig.from_dict(LORA.to_dict() | {"learning_rat": 1.0})
    with pytest.raises(ValueError, match="'ranks': no such field"):
        LORA.but(ranks=3)
    with pytest.raises(ValueError, match="task, method missing"):
        FineTuneConfig.from_dict({"model": "tiny"})
    with pytest.raises(ValueError, match="a mapping of fields to values, not list"):
        FineTuneConfig.from_dict([])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "a.json: "),
        ("a.yaml", "model: [", "a.yaml: it is not YAML"),
        ("a.yaml", "", "a.yaml: a configuration is a mapping"),
        ("a.txt", "model: x", r"a\.txt: its name ends in '\.txt'; it must be"),
    ],
)
def test_a_file_that_is_wrong_is_named(name, text, message, tmp_path):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        FineTuneConfig.load(tmp_path / name)


def test_every_field_survives_a_file(tmp_path):
    LORA.save(tmp_path / "a.yaml")
    text = (tmp_path / "a.yaml").read_text("utf-8")
    assert [line.split(":")[0] for line in text.splitlines()] == [field.name for field in fields(FineTuneConfig)]


def test_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("{model: tiny, task: csqa, method: full, learning_rate: 2e-4, weight_decay: 1E-2}", "utf-8")
    config = FineTuneConfig.load(path)
    assert (config.learning_rate, config.weight_decay) == (2e-4, 1e-2)
