"""`lorabook llm …`: runs, grids of runs, their tables and figures. `lorabook.llm._commands` does the work.

Chapter *Fine-tuning Qwen2.5*.
"""

from pathlib import Path

from lorabook.llm import _commands
from lorabook.llm.cluster import ENGINES
from lorabook.llm.grid import shipped

__all__ = ["UNFINISHED", "add"]

UNFINISHED = 3
"""Exit code of a grid some of whose runs failed."""
_CODES = (
    "exit codes: 0 done, 1 failed while running, 2 arguments that make no sense, 3 the grid went through but some of\n"
    "its runs failed or diverged, 130 interrupted (Ctrl-C)"
)


def add(commands) -> None:
    """Add `llm` and its own commands to those of `lorabook`."""
    parser = commands.add_parser(
        "llm",
        help="fine-tune language models: one run, a grid of runs, tables and figures",
        description="Fine-tune Qwen2.5, or a tiny model of the same kind on a laptop, fully or through LoRA.",
        epilog="'lorabook llm COMMAND --help' explains a command, with examples.",
    )
    own = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(own)
    _add_run(own)
    _add_table(own)
    _add_figure(own)
    _add_average(own)
    _add_paraphrase(own)


def _add_train(commands) -> None:
    parser = commands.add_parser(
        "train",
        help="one run, described in a file",
        description="Run one configuration: the fields of FineTuneConfig, as YAML or JSON.",
        epilog=f"""\
It prints the accuracies before and after, and where the result is: result.json, the trained weights (of LoRA the
adapter) as safetensors, and the singular values of every layer's update. If it was interrupted, the same command goes
on from the last checkpoint. A folder that holds a run of another configuration is refused.

examples:
  lorabook llm train run.yaml --out runs/first
  lorabook llm train run.yaml --out runs/first --checkpoint-steps 200 --no-weights

On several GPUs of one machine, the batch divided among them:
  accelerate launch --num_processes 4 -m lorabook llm train run.yaml --out runs/first

{_CODES}""",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the file, .yaml or .json")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the result")
    parser.add_argument(
        "--checkpoint-steps", type=int, default=100, metavar="N", help="steps between checkpoints (default: 100)"
    )
    parser.add_argument("--no-weights", action="store_true", help="keep the result, not the trained weights")
    parser.set_defaults(command=_commands.train, when_interrupted=lambda options: "the same command goes on from there")


def _add_run(commands) -> None:
    parser = commands.add_parser(
        "run",
        help="a grid of runs: first the search for each method's learning rate, then the comparison",
        description=f"""\
Run everything that a grid describes. Learning rates are searched on data that the comparison does not use: on the
validation split, for the tiny versions on other shifts.

Grids that come with lorabook, each with a tiny version for two cores:
{_grids()}""",
        epilog=f"""\
It prints how many runs are done and the table of results. Progress goes to standard error.

What is finished is kept in --out. If the command is interrupted, even killed, run it again: finished runs are kept and
the interrupted one goes on from its last checkpoint. Several processes, on one machine or on several that share the
folder, may run the same command at once and divide the work. A run that fails is noted, and the others go on.

examples:
  lorabook llm run noise --tiny --out tiny
  lorabook llm run noise --out noise --dry-run
  lorabook llm run my-grid.yaml --out mine --engine local --workers 2
  lorabook llm run samples --out samples --engine slurm --workers 8 --set slurm_partition=gpu

{_CODES}""",
    )
    parser.add_argument("grid", metavar="GRID", help="a YAML file, or one of the names above")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--tiny", action="store_true", help="the small version that the grid describes")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the runs and an estimate of hours, memory and disk; run nothing"
    )
    parser.add_argument(
        "--engine",
        choices=["here", *ENGINES],
        default="here",
        help="here: in this process (default); slurm: a job with one GPU for each run; local: in --workers processes; "
        "debug: as a job in this process",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="jobs at a time (default: 1)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of submitit's executor, such as slurm_partition=gpu, timeout_min=240 or mem_gb=64",
    )
    parser.set_defaults(command=_commands.run, when_interrupted=_how_to_continue)


def _add_table(commands) -> None:
    parser = commands.add_parser(
        "table",
        help="the accuracies of a grid and their differences, with intervals",
        description="Print the mean accuracy of every method and its paired difference to full fine-tuning.",
        epilog=f"""\
It prints a table for each setting, with 95 % intervals over repeats and test items. Where the interval of a difference
covers 0, it says "no difference", which means not shown, not equal. The intervals are not corrected for the number of
comparisons. "*" at a rate: it is the first or the last of the list that was searched. The table may be printed while
the grid is still running.

examples:
  lorabook llm table tiny --grid noise
  lorabook llm table noise --json

{_CODES}""",
    )
    _add_folder(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.set_defaults(command=_commands.table, when_interrupted=lambda options: "nothing was changed")


def _add_figure(commands) -> None:
    parser = commands.add_parser(
        "figure",
        help="the accuracies of a grid, drawn",
        description="Draw accuracy against one axis of a grid, a line for each method.",
        epilog=f"""\
It prints where the figure is: a panel for each way in which the learning rates were chosen, and for each value of the
grid's other axes. Bars are 95 % intervals.

examples:
  lorabook llm figure tiny --grid noise
  lorabook llm figure samples --axis n --to samples.pdf

{_CODES}""",
    )
    _add_folder(parser)
    parser.add_argument(
        "--axis", metavar="NAME", help="the axis to draw against (default: the last with several values)"
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="the figure, as .svg, .png or .pdf (default: GRID.svg)")
    parser.set_defaults(command=_commands.figure, when_interrupted=lambda options: "nothing was changed")


def _add_average(commands) -> None:
    parser = commands.add_parser(
        "average",
        help="the mean of several trained models",
        description="Average checkpoints in float32 and cast the mean to bfloat16 (the paper's Appendix VI.6).",
        epilog=f"""\
It prints where the mean is. Memory stays near one shard, however many checkpoints there are.

Adapters of LoRA have no mean, for their factors multiply. Merge each into its base first, in Python:
  model, tokenizer = lorabook.llm.models.load_trained("seed-0/weights", "Qwen/Qwen2.5-0.5B")
  model.merge_and_unload().save_pretrained("seed-0/merged")
  tokenizer.save_pretrained("seed-0/merged")

examples:
  lorabook llm average spectra/cells/*/weights --to mean
  lorabook llm average seed-0/weights seed-1/weights --to mean --dtype float32

{_CODES}""",
    )
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="DIR", help="folders with safetensors")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new folder for the mean")
    parser.add_argument("--dtype", default="bfloat16", help="of the mean: bfloat16 (default), float16 or float32")
    parser.set_defaults(command=_commands.average, when_interrupted=lambda options: "nothing was kept")


def _add_paraphrase(commands) -> None:
    parser = commands.add_parser(
        "paraphrase",
        help="more BoolQ examples: paraphrases that keep their answer",
        description="""\
Ask a language model for a paraphrase of every example, and keep those with the same names and numbers that the same
model, asked again at temperature 0, answers with the right label (the paper's Appendix VI.7). Any endpoint that speaks
OpenAI's protocol will do: set OPENAI_BASE_URL, OPENAI_API_KEY and LORABOOK_PARAPHRASE_MODEL.""",
        epilog=f"""\
It prints an estimate of the cost first, then how many were kept and why others were not, and where the examples are:
the originals and the kept paraphrases together, in a file that a run reads. If it is interrupted, the same command
goes on, and asks nothing twice.

examples:
  lorabook llm paraphrase train.jsonl --out more --dry-run --prices 0.4,1.6
  lorabook llm paraphrase train.jsonl --out more --workers 8 --requests-per-minute 500

{_CODES}""",
    )
    parser.add_argument("rows", type=Path, metavar="FILE", help="examples of BoolQ, in the hub's form or in Alpaca's")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the outcomes, and of train.jsonl"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the estimate and ask nothing")
    parser.add_argument(
        "--prices", default="0,0", metavar="IN,OUT", help="prices of a million tokens in and out, for the estimate"
    )
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="questions at a time (default: 4)")
    parser.add_argument("--requests-per-minute", type=float, metavar="N", help="at most so many (default: no limit)")
    parser.set_defaults(command=_commands.paraphrase, when_interrupted=_how_to_continue_asking)


def _how_to_continue_asking(options) -> str:
    return f"what was answered is in {options.out}; run the same command again to continue"


def _add_folder(parser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder that 'lorabook llm run' made")
    parser.add_argument("--grid", metavar="NAME", help="which grid, where the folder holds several")


def _grids() -> str:
    about = {
        "noise": "accuracy against the share of wrong labels (the paper's Figure 2)",
        "samples": "accuracy against the number of examples (the paper's Figure 3)",
        "sizes": "final accuracies of three model sizes on both tasks",
        "spectra": "updates of full fine-tuning and their singular values (weights are kept)",
    }
    return "\n".join(f"  {name:<10}{about[name]}" for name in shipped())


def _how_to_continue(options) -> str:
    return f"finished runs are in {options.out}; run the same command again to continue"
