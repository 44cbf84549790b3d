"""`lorabook llm`, as a person meets it."""

import json
import re

import pytest
import torch
from llm_server import Scripted
from safetensors.torch import load_file, save_file
from test_llm_grid import VALUES
from test_llm_reports import finished  # noqa: F401

from lorabook import cli
from lorabook.llm import paraphrase, runs, tasks
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.tasks import Example

QUICK = VALUES | {
    "base": VALUES["base"] | {"epochs": 1},
    "axes": {"noise": [0.0, 0.4]},
    "methods": VALUES["methods"][:1],
    "search": VALUES["search"] | {"choices": {"clean": {"noise": 0.0}}},
}


def run(*words):
    return cli.main(["llm", *map(str, words)])


@pytest.fixture
def grid_file(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(json.dumps(QUICK), "utf-8")
    return path


@pytest.mark.parametrize("command", ["train", "run", "table", "figure", "average", "paraphrase"])
def test_help_teaches(command, capsys):
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    assert all(part in text for part in ("examples:", f"\n  lorabook llm {command} ", "It prints", "exit codes:"))
    assert max(map(len, text.splitlines())) <= 120
    examples = re.findall(rf"^  (?:accelerate launch .* -m )?lorabook (llm {command} [^(\n]*)", text, re.MULTILINE)
    assert len(examples) >= 2
    for example in examples:
        cli._parser().parse_args(example.split())


def test_help_of_the_whole(capsys):
    assert run("--help") == 0
    assert re.findall(r"^    (\w+)\s", capsys.readouterr().out, re.MULTILINE) == [
        "train", "run", "table", "figure", "average", "paraphrase",
    ]  # fmt: skip
    assert run() == 2
    assert "COMMAND" in capsys.readouterr().err


def test_one_run(tmp_path, capsys):
    config = FineTuneConfig.from_dict(VALUES["base"] | {"method": "lora", "rank": 2, "epochs": 1, "validation": 0.25})
    config.save(tmp_path / "run.yaml")
    assert run("train", tmp_path / "run.yaml", "--out", tmp_path / "out") == 0
    out = capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    for part in ("train", "validation", "test"):
        score = result["metrics"][part]
        assert re.search(
            rf"^{part} +{100 * score['accuracy']:.1f} %  \({score['correct']} of {score['count']}\)", out, re.M
        )
    assert (tmp_path / "out" / "weights" / "adapter_model.safetensors").exists()
    assert run("train", tmp_path / "run.yaml", "--out", tmp_path / "bare", "--no-weights") == 0
    assert not (tmp_path / "bare" / "weights").exists()


def test_a_folder_has_one_run(tmp_path, capsys):
    """Another configuration is refused, even without checkpoints; the same one is not computed twice."""
    config = FineTuneConfig.from_dict(VALUES["base"] | {"method": "full", "learning_rate": 2e-3})
    config.save(tmp_path / "one.yaml")
    config.but(learning_rate=1e-7).save(tmp_path / "two.yaml")
    words = ["--out", tmp_path / "out", "--no-weights", "--checkpoint-steps"]
    assert run("train", tmp_path / "one.yaml", *words, 2) == 0
    first = capsys.readouterr().out
    before = (tmp_path / "out" / "result.json").read_bytes()
    for steps in (2, 0):
        assert run("train", tmp_path / "two.yaml", *words, steps) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err == (
            f"lorabook: error: folder is '{tmp_path / 'out'}'; it holds a run of another configuration "
            "(other learning_rate); give another folder\n"
        )
        assert (tmp_path / "out" / "result.json").read_bytes() == before
    assert run("train", tmp_path / "one.yaml", *words, 2) == 0
    assert capsys.readouterr().out == first
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["cost"]["resumed_at"] == result["steps"] > 0


def test_a_diverging_run_has_an_exit_code_of_its_own(tmp_path, capsys):
    config = FineTuneConfig.from_dict(
        VALUES["base"] | {"method": "full", "learning_rate": 1e30, "clip": 0.0, "epochs": 4}
    )
    config.save(tmp_path / "run.json")
    assert run("train", tmp_path / "run.json", "--out", tmp_path / "out") == 3
    assert "the loss was not finite at step" in capsys.readouterr().err.splitlines()[-1]


def test_a_grid_its_table_and_its_figure(grid_file, tmp_path, capsys):
    assert run("run", grid_file, "--out", tmp_path / "out") == 0
    first = capsys.readouterr().out
    assert "noise = 0.4; learning rates clean" in first
    assert f"6 runs done, in {tmp_path / 'out'}" in first
    assert run("table", tmp_path / "out") == 0
    assert capsys.readouterr().out.strip() in first
    assert run("table", tmp_path / "out", "--json") == 0
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert [(line["method"], line["place"]["noise"], line["repeats"]) for line in lines] == [
        ("not training", 0.0, 2), ("full", 0.0, 2), ("not training", 0.4, 2), ("full", 0.4, 2),
    ]  # fmt: skip
    for name in ("a.svg", "a.png", "a.pdf"):
        assert run("figure", tmp_path / "out", "--to", tmp_path / name) == 0
        assert capsys.readouterr().out == f"small, in {tmp_path / name}\n"
        assert (tmp_path / name).stat().st_size > 3000


def test_debug_engine_by_its_name(grid_file, tmp_path, capsys):
    assert run("run", grid_file, "--out", tmp_path / "out", "--engine", "debug", "--set", "timeout_min=5") == 0
    assert "6 runs done" in capsys.readouterr().out


def test_a_failing_run_tells_by_the_exit_code(grid_file, tmp_path, capsys, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "run", full_disk)
    assert run("run", grid_file, "--out", tmp_path / "out") == 3
    captured = capsys.readouterr()
    assert captured.out.startswith("nothing is finished yet")
    assert "No space left on device" in captured.err
    assert captured.err.splitlines()[-1].startswith("lorabook: error: 3 runs failed or diverged")


def test_a_dry_run_runs_nothing_and_says_what_it_would_cost(grid_file, tmp_path, capsys):
    assert run("run", grid_file, "--out", tmp_path / "out", "--dry-run") == 0
    text = capsys.readouterr().out
    assert "search for learning rates: 2 runs" in text
    assert "comparison: 4 runs" in text
    assert "0 of 6 are done already" in text
    assert re.search(r"about 0\.\d minutes of one core", text)
    assert not (tmp_path / "out").exists()
    assert run("run", "noise", "--out", tmp_path / "out", "--dry-run") == 0
    text = capsys.readouterr().out
    assert "search for learning rates: 290 runs" in text
    assert re.search(r"all together about [\d.]+ hours of a GPU", text)
    assert re.search(r"memory at most [\d.]+ GB; disk [\d.]+ GB", text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "noize", "--out", "o"], "grid is 'noize'; it must be a file"),
        (["run", "noise", "--out", "o", "--workers", "2"], "belong to an engine of submitit"),
        (
            ["run", "noise", "--tiny", "--out", "o", "--engine", "local", "--set", "x"],
            "--set is 'x'; it must be NAME=VALUE",
        ),
        (["run", "noise"], "--out"),
        (["table", "nowhere"], "'nowhere' holds no grid"),
        (["figure", "{folder}", "--to", "a.gif"], "--to is a.gif; the file's name must end in .svg"),
        (["figure", "{folder}", "--to", "no/where.svg"], "the folder no must exist"),
        (["figure", "{folder}", "--axis", "m"], "axis is 'm'; it must be one of"),
        (["table", "{folder}", "--grid", "m"], "not 'm'"),
    ],
)
def test_arguments_that_make_no_sense(words, message, finished, capsys, monkeypatch):  # noqa: F811
    monkeypatch.chdir(finished[1])
    assert run(*[word.format(folder=finished[1]) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lorabook: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (finished[1] / "o").exists()


def test_a_missing_file_is_one_line(capsys):
    assert run("train", "nowhere.yaml", "--out", "o") == 1
    assert re.fullmatch(r"lorabook: error: .*nowhere\.yaml.*\n", capsys.readouterr().err)


def test_averaging(tmp_path, capsys):
    for i in range(2):
        (tmp_path / f"{i}").mkdir()
        save_file({"w": torch.tensor([float(i)])}, tmp_path / f"{i}" / "model.safetensors")
    assert run("average", tmp_path / "0", tmp_path / "1", "--to", tmp_path / "mean", "--dtype", "float32") == 0
    assert capsys.readouterr().out == f"the mean of 2 checkpoints is in {tmp_path / 'mean'}\n"
    assert load_file(tmp_path / "mean" / "model.safetensors")["w"].tolist() == [0.5]
    assert run("average", tmp_path / "0", "--to", tmp_path / "mean") == 2


def test_paraphrasing(tmp_path, capsys, monkeypatch):
    rows = [Example("boolq", f"Passage: Lake {i} freezes.\n\nQuestion: is ice cold", 1) for i in range(3)]
    tasks.save(rows, tmp_path / "rows.jsonl")
    words = ["paraphrase", tmp_path / "rows.jsonl", "--out", tmp_path / "out", "--prices", "1000,0"]
    assert run(*words, "--dry-run") == 0
    cost = paraphrase.estimate(rows, 1000.0)
    tokens = f"{cost.input_tokens} tokens in and {cost.output_tokens} out"
    assert capsys.readouterr().out == f"3 examples: about 6 requests, {tokens}, cost {cost.cost:.2f}\n"
    assert not (tmp_path / "out").exists()
    assert run(*words) == 2
    assert "must be set in the environment" in capsys.readouterr().err
    with Scripted() as server:
        for name, value in (("BASE_URL", server.url), ("API_KEY", "x")):
            monkeypatch.setenv(f"OPENAI_{name}", value)
        monkeypatch.setenv("LORABOOK_PARAPHRASE_MODEL", "m")
        assert run(*words) == 0
    assert "3 of 3 paraphrases kept" in capsys.readouterr().out
    more = tasks.load("boolq", tmp_path / "out" / "train.jsonl")
    assert more[:3] == rows
    assert len(more) == 6
    assert run("paraphrase", tmp_path / "rows.jsonl", "--out", "o", "--prices", "1") == 2
