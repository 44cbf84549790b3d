"""The words of `lorabook sweep`, `lorabook figure` and `lorabook risk`: what a person types and what help says.

`lorabook.cli` imports it only when it runs, because what it needs takes a while to load.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import lorabook
from lorabook import _commands
from lorabook.cli import _say
from lorabook.llm import cli as llm_cli
from lorabook.sweeps import PRESETS
from lorabook.sweeps.engines import ENGINES
from lorabook.sweeps.workers import BACKENDS

__all__ = ["parser"]

_CODES = "exit codes: 0 done, 1 failed while running, 2 arguments that make no sense, 130 interrupted (Ctrl-C)"


class _Parser(argparse.ArgumentParser):
    """Errors on one line, and help that keeps its line breaks."""

    def __init__(self, **options):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message):
        _say(f"error: {message} (see {self.prog} --help)")
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    words = _Parser(
        prog="lorabook",
        description="LoRA against full fine-tuning in linear regression: the numbers and figures of the book.",
        epilog=f"'lorabook COMMAND --help' explains a command, with examples.\n\n{_CODES}",
    )
    words.add_argument("--version", action="version", version=f"lorabook {lorabook.__version__}")
    commands = words.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_sweep(commands)
    _add_figure(commands)
    _add_risk(commands)
    llm_cli.add(commands)
    return words


def _add_sweep(commands) -> None:
    parser = commands.add_parser(
        "sweep",
        help="the excess risks behind one of the paper's figures, as a table",
        description=f"""\
Draw the excess risks behind one of the paper's figures, for many seeds, and write them as a tidy table: one row
for each setting, method and seed, with the columns d_x, d_y, n, noise_std, shift_rank, decay, method, rank, seed
and excess_risk.

presets:
{_presets()}""",
        epilog=f"""\
It prints where the table is, and a summary: the mean risk of each method at both ends of the figure's axis.
Progress goes to standard error.

Finished parts are kept in the folder of --out. If the command is interrupted, run it again: it continues from
there. More seeds reuse what fewer have computed. Several processes may use one folder at once.

examples:
  lorabook sweep fig1a --seeds 100 --out sweeps
  lorabook sweep fig11 --seeds 20 --engine exact --out sweeps --table fig11.csv
  RAY_ADDRESS=auto lorabook sweep fig10b --seeds 1000 --out /shared/sweeps --backend ray

{_CODES}""",
    )
    _add_preset_and_seeds(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the finished parts, and for the table PRESET.parquet"
    )
    parser.add_argument(
        "--table", type=Path, metavar="FILE", help="write the table here instead, as .parquet or .csv (with all digits)"
    )
    _add_how(parser)
    parser.set_defaults(command=_commands.sweep, when_interrupted=_how_to_continue)


def _add_figure(commands) -> None:
    parser = commands.add_parser(
        "figure",
        help="one of the paper's figures, drawn from its sweep",
        description=f"""\
Run the sweep of one of the paper's figures and draw the figure: mean excess risk of full fine-tuning and of each
rank of LoRA, with bands of one standard deviation over the seeds.

presets:
{_presets()}""",
        epilog=f"""\
It prints where the figure is. Progress goes to standard error.

examples:
  lorabook figure fig1a
  lorabook figure fig12 --seeds 20 --engine exact --to fig12.pdf --table fig12.csv
  lorabook figure fig10b --out sweeps    (continues from, and adds to, the parts of 'lorabook sweep --out sweeps')

{_CODES}""",
    )
    _add_preset_and_seeds(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the finished parts, as in 'lorabook sweep'")
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="the figure, as .svg, .png or .pdf (default: PRESET.svg, here)"
    )
    parser.add_argument(
        "--table", type=Path, metavar="FILE.csv", help="write the numbers that the figure shows as well"
    )
    _add_how(parser)
    parser.set_defaults(command=_commands.figure, when_interrupted=_how_to_continue)


def _add_risk(commands) -> None:
    parser = commands.add_parser(
        "risk",
        help="the mean excess risk in one setting, drawn and predicted",
        description="""\
Print the mean excess risk of full fine-tuning and of LoRA in one setting: the mean of independent draws of the
training set, with its standard error, beside the prediction of the theory (exact for full fine-tuning; the sharp
formula of the chapter 'The exact answer' for LoRA). Features are N(0, I), the noise is white; risks are in squared
units of y.

It answers 'what if': the singular values of the shift are yours to assume. What data tell about them,
lorabook.sharp.choose_rank estimates.""",
        epilog=f"""\
It prints a line for each method, the first for not training at all, and which of them has the least mean. Where the
theory refuses, or warns that it is not accurate, the line says so; where the mean is infinite, the line has the median
of the draws.

examples:
  lorabook risk --d-x 100 --d-y 100 --n 500 --noise-std 12 --shift-rank 4
  lorabook risk --d-x 60 --d-y 40 --n 30 --noise-std 0.5 --singular-values 9,3,1 --ranks 1,2,3 --draws 4000 --json

{_CODES}""",
    )
    parser.add_argument("--d-x", type=int, required=True, metavar="N", help="number of inputs")
    parser.add_argument("--d-y", type=int, required=True, metavar="N", help="number of outputs")
    parser.add_argument("--n", type=int, required=True, metavar="N", help="number of samples")
    parser.add_argument(
        "--noise-std", type=float, required=True, metavar="S", help="standard deviation of the noise of each output"
    )
    shift = parser.add_mutually_exclusive_group(required=True)
    shift.add_argument(
        "--shift-rank",
        type=int,
        metavar="K",
        help="take the shift that Task.gaussian draws at --seed: U V / sqrt(K), U (d_y, K) and V (K, d_x) standard "
        "Gaussian, of mean squared norm d_x d_y",
    )
    shift.add_argument(
        "--singular-values", type=_numbers(float), metavar="A,B,…", help="take a shift with these singular values"
    )
    parser.add_argument(
        "--ranks",
        type=_numbers(int),
        default=[1, 2, 4, 8],
        metavar="R,…",
        help="ranks of LoRA (default: 1,2,4,8); rank 0, not training, is always printed",
    )
    parser.add_argument("--draws", type=int, default=1000, metavar="N", help="number of draws (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same draws (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.set_defaults(command=_commands.risk, when_interrupted=lambda options: "nothing was kept")


def _add_preset_and_seeds(parser) -> None:
    parser.add_argument("preset", choices=list(PRESETS), metavar="PRESET", help="one of the presets above")
    parser.add_argument(
        "--seeds", type=int, default=100, metavar="N", help="number of seeds (default: 100, the paper's)"
    )


def _add_how(parser) -> None:
    parser.add_argument(
        "--engine",
        choices=list(ENGINES),
        default="data",
        help="data: draw training sets and solve (default); exact: draw the risks from the law that they have then, "
        "which is quicker",
    )
    parser.add_argument("--jobs", type=int, default=-1, metavar="N", help="worker processes (default: -1, all cores)")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="loky",
        help="loky: processes on this machine (default); ray: a Ray cluster, the one that RAY_ADDRESS names or a local "
        "one",
    )
    parser.add_argument(
        "--independent",
        action="store_true",
        help="random numbers of its own for every setting, instead of the same for a seed at all settings as in the "
        "paper",
    )


def _presets() -> str:
    about = {
        "fig1a": "risk against the number of samples, strong noise",
        "fig1b": "risk against the noise, fewer samples than inputs",
        "fig10a": "risk against the number of samples, weak noise",
        "fig10b": "risk against the noise, more samples than inputs",
        "fig11": "risk against the rank of the shift",
        "fig12": "risk against the decay of the shift's singular values",
    }
    return "\n".join(f"  {name:<8}{about[name]}\n{'':10}{_sizes(grid)}" for name, grid in PRESETS.items())


def _sizes(grid) -> str:
    """The numbers of a preset, a range as its ends."""
    shift_ranks = np.atleast_1d(grid.shift_rank)
    named = [("d_x", (grid.d_x,)), ("d_y", (grid.d_y,)), ("n", grid.n), ("noise", grid.noise_std)]
    named += [("shift of rank", shift_ranks), ("decay", grid.decay or ())]
    ends = [(name, f"{values[0]:g}", f"{values[-1]:g}") for name, values in named if len(values)]
    words = [f"{name} {low}" if low == high else f"{name} {low} to {high}" for name, low, high in ends]
    return ", ".join([*words, f"ranks {', '.join(map(str, grid.ranks))}"])


def _numbers(kind):
    def parse(text: str) -> list:
        try:
            return [kind(word) for word in text.split(",")]
        except ValueError:
            what = "integers" if kind is int else "numbers"
            raise argparse.ArgumentTypeError(f"{text!r} must be {what} with commas between") from None

    return parse


def _how_to_continue(options) -> str:
    if options.out is None:
        return "nothing was kept; with --out DIR, finished parts are"
    return f"finished parts are in {options.out}; run the same command again to continue"
