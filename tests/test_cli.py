"""The command line, as a person meets it."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import lorabook
import lorabook.bounds
from lorabook import cli, sampler, sharp, sweeps

SETTING = ["--d-x", "20", "--d-y", "10", "--n", "60", "--noise-std", "1"]
S = np.array([9.0, 7.0, 4.0])
SHIFT = ["--singular-values", "9,7,4"]


@pytest.fixture(autouse=True)
def small_presets(monkeypatch):
    """The presets' names with grids that are done in no time; the commands themselves do not notice."""
    grid = sweeps.Grid(8, 8, n=(4, 20, 40), noise_std=(1.0,), shift_rank=2, ranks=(1, 2, 4, 8))
    monkeypatch.setitem(sweeps.PRESETS, "fig1a", grid)
    monkeypatch.setitem(
        sweeps.PRESETS, "fig12", sweeps.Grid(8, 8, (20,), (0.5,), 8, (1, 2, 4, 8), decay=(0.0, 1.0, 2.0), base_seed=42)
    )


def run(*words):
    return cli.main([str(word) for word in words])


def one_line(text):
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text


def in_a_process(*words, **options):
    return subprocess.run([sys.executable, "-m", "lorabook", *words], capture_output=True, text=True, **options)


def test_the_command_is_installed_and_says_its_version():
    command = os.path.join(os.path.dirname(sys.executable), "lorabook")
    for start in ([command], [sys.executable, "-m", "lorabook"]):
        done = subprocess.run([*start, "--version"], capture_output=True, text=True)
        assert (done.stdout, done.stderr, done.returncode) == (f"lorabook {lorabook.__version__}\n", "", 0)


def test_it_starts_without_what_it_does_not_need_yet():
    program = "import sys, lorabook.cli; lorabook.cli.main(['sweep', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not {"pandas", "matplotlib", "joblib", "ray", "tqdm", "pyarrow", "IPython", "threadpoolctl"} & loaded
    assert "lorabook.sweeps" in loaded


@pytest.mark.parametrize("command", ["sweep", "figure", "risk"])
def test_help_teaches(command, capsys):
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    assert all(part in text for part in ("examples:", f"\n  lorabook {command} ", "It prints", "exit codes:"))
    assert max(map(len, text.splitlines())) <= 120
    examples = re.findall(rf"^  (?:RAY_ADDRESS=auto )?lorabook ({command} [^(\n]*)", text, re.MULTILINE)
    assert len(examples) >= 2
    for example in examples:
        cli._parser().parse_args(example.split())


def test_help_names_every_preset(capsys):
    run("sweep", "--help")
    text = capsys.readouterr().out
    assert re.findall(r"^  (fig\w+) ", text, re.MULTILINE) == list(sweeps.PRESETS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND (see lorabook --help)"),
        (["paint"], "argument COMMAND: invalid choice: 'paint'"),
        (["sweep", "fig9", "--out", "x"], "argument PRESET: invalid choice: 'fig9'"),
        (["sweep", "fig1a"], "--out and --table are both missing; give a folder, a file, or both"),
        (["sweep", "fig1a", "--seeds", "0", "--out", "x"], "seeds is 0; it must be an integer of at least 1"),
        (["sweep", "fig1a", "--jobs", "0", "--out", "x"], "jobs is 0"),
        (["sweep", "fig1a", "--engine", "fast", "--out", "x"], "argument --engine: invalid choice: 'fast'"),
        (["sweep", "fig1a", "--table", "x.txt"], "--table is x.txt; the file's name must end in .parquet or .csv"),
        (["sweep", "fig1a", "--table", "no/x.csv"], "--table is no/x.csv; the folder no must exist"),
        (["figure", "fig1a", "--to", "x.gif"], "--to is x.gif; the file's name must end in .svg or .png or .pdf"),
        (["figure", "fig1a", "--table", "x.xls"], "--table is x.xls; the file's name must end in .csv"),
        (["risk", *SETTING], "one of the arguments --shift-rank --singular-values is required"),
        (["risk", *SETTING, *SHIFT, "--shift-rank", "3"], "argument --shift-rank: not allowed with"),
        (
            ["risk", *SETTING, "--singular-values", "9,x"],
            "argument --singular-values: '9,x' must be numbers with commas",
        ),
        (["risk", *SETTING, *SHIFT, "--ranks", "1.5"], "argument --ranks: '1.5' must be integers with commas"),
        (["risk", *SETTING, "--singular-values", "9,-1"], "singular_values has smallest entry -1"),
        (["risk", *SETTING, "--shift-rank", "11"], "shift_rank is 11; it must be an integer from 0 to 10"),
        (["risk", *SETTING, *SHIFT, "--ranks", "-1"], "ranks is -1; it must be an integer of at least 0"),
        (["risk", *SETTING, *SHIFT, "--draws", "1"], "draws is 1; it must be an integer of at least 2"),
        (["risk", *SETTING, *SHIFT, "--n", "0"], "n is 0"),
        (["risk", *SETTING, *SHIFT, "--n", "9" * 23], f"n is {'9' * 23}; it must be at most 2^63 - 1 = 92233720368547"),
        (["risk", *SETTING, *SHIFT, "--noise-std", "1e200"], "noise_std is 1e+200; it must be at most 1e+150"),
        (["risk", *SETTING, *SHIFT, "--noise-std", "nan"], "noise_std is nan"),
        (["risk", *SETTING, *SHIFT, "--seed", "-1"], "seed is -1"),
    ],
)
def test_arguments_that_make_no_sense_are_one_line_and_exit_code_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert one_line(captured.err).startswith(f"lorabook: error: {message}")
    assert not list(tmp_path.iterdir())


def test_what_fails_while_running_is_one_line_and_exit_code_1(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    assert run("sweep", "fig1a", "--out", tmp_path / "file", "--jobs", 1) == 1
    error = one_line(capsys.readouterr().err)
    assert re.fullmatch(r"lorabook: error: cannot make the folder \S+/file/fig1a-\w+: Not a directory\n", error)

    monkeypatch.setitem(sys.modules, "ray", None)
    assert run("sweep", "fig1a", "--out", tmp_path, "--backend", "ray") == 1
    assert 'pip install "lorabook[cluster] @ git+' in capsys.readouterr().err.splitlines()[-1]

    monkeypatch.setattr(sweeps, "run", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "cannot write x: No space")))
    assert run("sweep", "fig1a", "--out", tmp_path) == 1
    assert capsys.readouterr().err == "lorabook: error: cannot write x: No space\n"


def test_sweep_writes_the_table_and_sums_it_up(capsys, tmp_path):
    assert run("sweep", "fig1a", "--seeds", 6, "--out", tmp_path, "--jobs", 1) == 0
    captured = capsys.readouterr()
    table = pd.read_parquet(tmp_path / "fig1a.parquet")
    pd.testing.assert_frame_equal(table, sweeps.run("fig1a", 6, jobs=1), check_exact=True)
    first, head, *rows = captured.out.splitlines()
    assert first == f"90 rows in {tmp_path / 'fig1a.parquet'}"
    assert head.split() == ["mean", "excess", "risk", "n", "=", "4", "n", "=", "40"]
    names = ["not training", "full fine-tuning"] + [f"LoRA, r = {r}" for r in (1, 2, 4, 8)]
    assert [row[:20].strip() for row in rows] == names
    energy = np.mean([np.sum(lorabook.Task.gaussian(8, 8, 2, 1.0, seed).shift ** 2) for seed in range(6)])
    assert [float(value) for value in rows[0].split()[-2:]] == pytest.approx([energy, energy], rel=1e-4)
    rows = rows[1:]
    means = table.groupby(["method", "rank", "n"])["excess_risk"].mean()
    assert [float(value) for value in rows[2].split()[-2:]] == pytest.approx(means["lora", 2][[4, 40]], rel=1e-4)
    assert [float(value) for value in rows[0].split()[-2:]] == pytest.approx(
        [means["full", 4, 4], means["full", 8, 40]], rel=1e-4
    )
    assert "18/18" in captured.err


def test_sweep_reuses_its_parts_and_writes_csv_with_all_digits(capsys, tmp_path, monkeypatch):
    how = ["--out", tmp_path, "--engine", "exact", "--independent", "--jobs", 1]
    assert run("sweep", "fig12", "--seeds", 8, *how) == 0
    written = sorted(tmp_path.glob("fig12-*/part-*"))
    assert [path.name for path in written] == ["part-00010-23.parquet", "part-00011.parquet", "part-00012-01.parquet"]
    times = [path.stat().st_mtime_ns for path in written]
    assert run("sweep", "fig12", "--seeds", 8, *how, "--table", tmp_path / "t.csv") == 0
    assert [path.stat().st_mtime_ns for path in written] == times
    expected = sweeps.run("fig12", 8, jobs=1, engine="exact", common_random_numbers=False)
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [float(row["excess_risk"]) for row in csv.DictReader(file)] == list(expected["excess_risk"])
    out = capsys.readouterr().out
    assert "decay = 0" in out
    energies = [25 * np.sum(np.exp(-2 * decay * np.arange(8))) for decay in (0, 2)]
    untrained = next(line for line in out.splitlines() if line.startswith("not training"))
    assert [float(value) for value in untrained.split()[-2:]] == pytest.approx(energies, rel=1e-4)


def test_a_damaged_part_is_a_line_on_standard_error(tmp_path):
    grid = ["sweep", "fig11", "--seeds", "1", "--engine", "exact", "--out", str(tmp_path), "--jobs", "1"]
    assert in_a_process(*grid).returncode == 0
    next(tmp_path.glob("fig11-*/part-*")).write_bytes(b"")
    done = in_a_process(*grid)
    assert done.returncode == 0
    assert re.search(r"^lorabook: warning: .*part-00000-0.parquet .*; it is computed again$", done.stderr, re.MULTILINE)


def test_interrupted_with_ctrl_c(tmp_path):
    """One line says how to continue, and continuing works."""
    words = [
        sys.executable,
        "-m",
        "lorabook",
        "sweep",
        "fig10b",
        "--seeds",
        "40",
        "--out",
        str(tmp_path),
        "--jobs",
        "1",
    ]
    # Whoever runs the tests in the background of a script has a process that ignores the signal, and so its children.
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("fig10b-*/part-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    last = err.splitlines()[-1]
    assert last == f"lorabook: interrupted; finished parts are in {tmp_path}; run the same command again to continue"
    assert "Traceback" not in err


@pytest.mark.parametrize("package", ["numpy", "scipy.linalg", "sympy", "lorabook.sweeps", "lorabook.llm"])
def test_interrupted_while_packages_are_loaded(package):
    """As the installed command and `python -m lorabook` begin: nothing slow is loaded before the line is ready."""
    program = f"""
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from lorabook.cli import main
sys.exit(main({["risk", *SETTING, *SHIFT]!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stderr, done.stdout, done.returncode) == ("lorabook: interrupted; nothing was done\n", "", 130)


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m lorabook risk {' '.join(SETTING + SHIFT)} --draws 2 | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_risk_prints_draws_beside_predictions(capsys):
    assert run("risk", *SETTING, *SHIFT, "--ranks", "0,3,10", "--draws", 400, "--seed", 5) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    about, shift, head, untrained, full, *lora, least = captured.out.splitlines()
    assert about == "d_x = 20, d_y = 10, n = 60, noise 1, 400 draws"
    assert shift == "singular values of the shift: 9, 7, 4"
    assert head.split() == ["method", "mean", "risk", "±", "std.", "error", "predicted"]
    assert untrained.split() == ["not", "training", "146", "146"]  # 9^2 + 7^2 + 4^2, without an error
    draws = sampler.draw_risks(S, 20, 10, 60, 1.0, (3, 10), 400, 5)
    drawn = {"full fine-tuning": draws.full} | {f"LoRA, r = {r}": draws.lora[:, i] for i, r in enumerate((3, 10))}
    theory = [sharp.full_risk(S, 20, 10, 60, 1.0)]
    theory += [sharp.lora_risk(r, S, 20, 10, 60, 1.0) for r in (3, 10)]
    assert theory[1] < min(theory[0], theory[2], 146)
    assert least == "least mean of these: LoRA, r = 3"
    for line, (name, values), predicted in zip([full, *lora], drawn.items(), theory, strict=True):
        mean, sign, error, prediction = line.removeprefix(name).split()
        assert (line.startswith(name), sign) == (True, "±")
        assert float(mean) == pytest.approx(values.mean(), rel=1e-4)
        assert float(error) == pytest.approx(values.std(ddof=1) / 20, rel=0.05)
        assert float(prediction) == pytest.approx(predicted, rel=1e-4)
    assert abs(draws.full.mean() - theory[0]) < 4 * draws.full.std() / 20


def test_risk_as_json_holds_the_same_numbers(capsys):
    assert run("risk", *SETTING, "--shift-rank", 2, "--ranks", "1", "--draws", 50, "--seed", 3, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    spectrum = np.linalg.svd(lorabook.Task.gaussian(20, 10, 2, 1.0, seed=3).shift, compute_uv=False)[:2]
    assert found["singular_values"] == pytest.approx(list(spectrum))
    draws = sampler.draw_risks(sweeps.gaussian_spectrum(20, 10, 2, 3), 20, 10, 60, 1.0, (1,), 50, 3)
    none, full, lora = found["results"]
    assert (none["method"], none["rank"], none["note"], none["standard_error"]) == ("none", 0, None, 0.0)
    assert none["mean"] == none["median"] == none["predicted"] == pytest.approx(np.sum(spectrum**2))
    assert (full["method"], full["rank"], full["note"]) == ("full", 10, None)
    assert full["median"] == pytest.approx(np.median(draws.full))
    assert (lora["method"], lora["rank"], lora["mean"]) == ("lora", 1, pytest.approx(draws.lora.mean()))


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (["--noise-std", "0"], "no prediction: without noise the theory has no strengths, which are in units of"),
        (["--noise-std", "1e-160"], "no prediction: noise_std is 1e-160; it must be larger for these singular_values"),
        (["--n", "22"], "not accurate: n is 22 and d_x is 20; for |n - d_x| <= 3"),
    ],
)
def test_risk_says_where_the_theory_ends(change, note, capsys):
    assert run("risk", *SETTING, *SHIFT, *change, "--ranks", "1", "--draws", 20) == 0
    captured = capsys.readouterr()
    assert note in captured.out.splitlines()[-2]
    assert captured.err == ""
    assert run("risk", *SETTING, *SHIFT, *change, "--ranks", "1", "--draws", 20, "--json") == 0
    assert note in json.loads(capsys.readouterr().out)["results"][2]["note"]


@pytest.mark.parametrize("n", [60, 15])
def test_without_noise_the_exact_risks_are_there_and_the_rest_is_one_note(n, capsys):
    how = [*SETTING, *SHIFT, "--noise-std", "0", "--n", n, "--ranks", "1,2,3,5,10", "--draws", 50]
    assert run("risk", *how) == 0
    _, _, _, _, *rows, note, least = capsys.readouterr().out.splitlines()
    unseen = 0 if n >= 20 else 146 * (1 - n / 20)
    for row in rows:
        predicted = row[16:].split()[3:]  # after the mean and its error
        assert predicted == ([] if row.startswith(("LoRA, r = 1 ", "LoRA, r = 2 ")) else [f"{unseen:.5g}"]), row
    assert note == (
        "no prediction: without noise the theory has no strengths, which are in units of the noise (LoRA, r = 1; "
        "LoRA, r = 2)"
    )
    assert least == (
        "least mean of these: a tie, within rounding: full fine-tuning; LoRA, r = 3; LoRA, r = 5; LoRA, r = 10"
    )
    exact = lorabook.bounds.full_risk(lorabook.Task.with_spectrum(S, 20, 10, 0.0, 0), n).total
    assert exact == pytest.approx(unseen)
    assert run("risk", *how, "--json") == 0
    found = {(row["method"], row["rank"]): row for row in json.loads(capsys.readouterr().out)["results"]}
    assert found["full", 10]["predicted"] == found["lora", 3]["predicted"] == pytest.approx(unseen)
    assert found["lora", 2]["note"] == note.partition(" (")[0]


@pytest.mark.parametrize("change", [["--noise-std", "1e-8"], ["--n", str(10**18)]])
def test_strong_signals_have_finite_predictions(change, capsys):
    assert run("risk", *SETTING, *SHIFT, *change, "--ranks", "1,3,5", "--draws", 20, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert all(row["note"] is None and row["predicted"] > 0 for row in rows)
    assert run("risk", *SETTING, *SHIFT, *change, "--ranks", "1,3,5", "--draws", 20) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "least mean of these: LoRA, r = 3"


def test_what_is_not_a_number_is_no_prediction_and_not_infinite(capsys, monkeypatch):
    for value in (float("nan"), float("inf")):
        monkeypatch.setattr(sharp, "lora_risk", lambda *_, value=value: value)
        assert run("risk", *SETTING, *SHIFT, "--ranks", "1", "--draws", 20, "--json") == 0
        row = json.loads(capsys.readouterr().out)["results"][2]
        assert (row["predicted"], row["note"]) == (None, "no prediction: the formula is beyond double precision here")


def test_where_the_mean_is_infinite_the_line_has_the_median_and_not_training_is_best(capsys):
    assert run("risk", *SETTING, *SHIFT, "--n", "20", "--ranks", "1", "--draws", 20) == 0
    *_, full, lora, least = capsys.readouterr().out.splitlines()
    draws = sampler.draw_risks(S, 20, 10, 20, 1.0, (1,), 20, 0)
    for line, name, risks in ((full, "full fine-tuning", draws.full), (lora, "LoRA, r = 1", draws.lora)):
        words = line.removeprefix(name).split()
        assert words == ["infinite", "infinite", "median", "of", "the", "draws", f"{np.median(risks):.5g}"]
    assert least == "least mean of these: not training"
    assert run("risk", *SETTING, *SHIFT, "--n", "20", "--ranks", "1", "--draws", 20, "--json") == 0
    for row in json.loads(capsys.readouterr().out)["results"][1:]:
        assert (row["predicted"], row["note"]) == (None, "the mean is infinite; the mean of the draws says nothing")


def test_not_training_is_in_the_comparison_even_if_no_rank_is(capsys):
    """With the noise far above the shift nothing is worth learning."""
    assert run("risk", *SETTING, *SHIFT, "--noise-std", "90", "--ranks", "0", "--draws", 5) == 0
    out = capsys.readouterr().out
    assert [line.startswith("not training") for line in out.splitlines()].count(True) == 1
    assert "LoRA" not in out
    assert out.splitlines()[-1] == "least mean of these: not training"


def test_the_help_has_the_sizes_of_the_presets(capsys):
    assert run("sweep", "--help") == 0
    out = capsys.readouterr().out
    for grid in sweeps.PRESETS.values():
        ends = f"n {grid.n[0]} to {grid.n[-1]}" if len(grid.n) > 1 else f"n {grid.n[0]},"
        assert f"d_x {grid.d_x}, d_y {grid.d_y}, {ends}" in out
        assert f"ranks {', '.join(map(str, grid.ranks))}\n" in out


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_figure_draws_the_sweep(suffix, start, capsys, tmp_path):
    to, table = tmp_path / f"f.{suffix}", tmp_path / "f.csv"
    assert run("figure", "fig1a", "--seeds", 4, "--jobs", 1, "--to", to, "--table", table, "--out", tmp_path) == 0
    assert to.read_bytes().startswith(start)
    assert len(pd.read_csv(table)) > 0
    assert len(list(tmp_path.glob("fig1a-*/part-*"))) == 1
    out = capsys.readouterr().out
    assert str(to) in out
    assert str(table) in out


def test_figure_goes_into_the_current_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("figure", "fig12", "--seeds", 2, "--engine", "exact", "--jobs", 1) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["fig12.svg"]
    assert b"<text" in (tmp_path / "fig12.svg").read_bytes() or b"<path" in (tmp_path / "fig12.svg").read_bytes()
