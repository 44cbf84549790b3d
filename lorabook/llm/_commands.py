"""What the commands of `lorabook llm` do with their options."""

import io
import json
import math
import sys
import textwrap
from pathlib import Path

from lorabook import extras
from lorabook.llm import estimates
from lorabook.llm.config import FineTuneConfig
from lorabook.llm.grid import Grid

__all__ = ["UnfinishedError", "average", "figure", "paraphrase", "run", "table", "train"]

_SUFFIXES = (".svg", ".png", ".pdf")
_TRAINING = ("accelerate", "datasets", "peft", "safetensors", "tokenizers", "torch", "tqdm", "transformers", "yaml")
"""What trains a model; transformers has an error of many lines for one of them."""


class UnfinishedError(RuntimeError):
    """Some runs of a grid failed or diverged."""


def train(options) -> None:
    """Run one configuration and print its accuracies."""
    _need_training()
    from lorabook.llm import runs

    config = FineTuneConfig.load(options.config)
    runs.refuse_another(config, options.out)
    keep = not options.no_weights
    result = runs.run(config, options.out, options.checkpoint_steps, keep, progress=True)
    if not runs.is_first_process():
        return
    for part, score in result["metrics"].items():
        name = "test, before training" if part == "before" else part
        print(f"{name:<24}{100 * score['accuracy']:6.1f} %  ({score['correct']} of {score['count']})")
    print(f"the result is in {options.out / runs.RESULT}")
    if result["status"] != "done":
        raise UnfinishedError(f"the loss was not finite at step {result['step']}")


def run(options) -> None:
    """Run a grid, or say what it would cost."""
    grid = Grid.load(options.grid, options.tiny)
    if options.dry_run:
        print(_plan(grid, options.out))
        return
    _need_training()
    from lorabook.llm import cluster, reports, work

    runner = None
    if options.engine != "here":
        settings = _settings(options.set)
        minutes = settings.pop("timeout_min", 24 * 60)
        runner = cluster.runner(options.engine, options.workers, settings, minutes)
    elif options.set or options.workers != 1:
        raise ValueError("--workers and --set belong to an engine of submitit; give --engine local or slurm")
    outcome = work.work(grid, options.out, progress=True, run_cells=runner)
    print(reports.table(grid, options.out))
    print(f"\n{outcome.done} runs done, in {options.out}")
    if not outcome.is_whole:
        for what in outcome.failed:
            print(f"lorabook: failed: {what}", file=sys.stderr)
        for what in outcome.diverged:
            print(f"lorabook: diverged: {what}", file=sys.stderr)
        count = len(outcome.failed) + len(outcome.diverged)
        raise UnfinishedError(f"{count} runs failed or diverged; the same command tries those that failed again")


def table(options) -> None:
    """Print a grid's table."""
    from lorabook.llm import reports

    grid = reports.grid_in(options.folder, options.grid)
    if options.json:
        found = [line.to_dict() for line in reports.lines(grid, options.folder, untrained=True)]
        print(json.dumps({"grid": grid.name, "lines": _without_infinity(found)}, indent=1, allow_nan=False))
    else:
        print(reports.table(grid, options.folder))


def figure(options) -> None:
    """Draw a grid's figure."""
    from lorabook.llm import reports

    grid = reports.grid_in(options.folder, options.grid)
    target = options.to or Path(f"{grid.name}.svg")
    if target.suffix not in _SUFFIXES:
        raise ValueError(f"--to is {target}; the file's name must end in {' or '.join(_SUFFIXES)}")
    if not target.absolute().parent.is_dir():
        raise ValueError(f"--to is {target}; the folder {target.parent} must exist")
    import matplotlib

    matplotlib.use("Agg")
    from lorabook import figures
    from lorabook.sweeps.parts import write_whole

    figures.use_style()
    drawn = reports.picture(grid, options.folder, options.axis)
    picture = io.BytesIO()
    drawn.savefig(picture, format=target.suffix[1:])
    write_whole(target, picture.getbuffer())
    print(f"{grid.name}, in {target}")


def average(options) -> None:
    """Average checkpoints and print where the mean is."""
    from lorabook.llm import averaging

    out = averaging.average(options.checkpoints, options.to, options.dtype)
    print(f"the mean of {len(options.checkpoints)} checkpoints is in {out}")


def paraphrase(options) -> None:
    """Say what paraphrasing costs, do it, and write the augmented examples."""
    from lorabook.llm import paraphrase, tasks

    examples = tasks.load("boolq", options.rows)
    try:
        price_in, price_out = (float(word) for word in options.prices.split(","))
    except ValueError:
        raise ValueError(f"--prices is {options.prices!r}; it must be two numbers with a comma between") from None
    cost = paraphrase.estimate(examples, price_in, price_out)
    tokens = f"{cost.input_tokens} tokens in and {cost.output_tokens} out"
    print(f"{len(examples)} examples: about {cost.requests} requests, {tokens}, cost {cost.cost:.2f}", flush=True)
    if options.dry_run:
        return
    report = paraphrase.augment(
        examples,
        options.out,
        paraphrase.Endpoint.from_environment(),
        workers=options.workers,
        requests_per_minute=options.requests_per_minute,
        progress=True,
    )
    target = options.out / "train.jsonl"
    more = paraphrase.augmented(examples, options.out)
    tasks.save(more, target)
    print(report)
    print(f"{len(more)} examples in {target}")
    if report.failed:
        raise UnfinishedError(f"{report.failed} examples failed; the same command tries them again")


def _need_training() -> None:
    extras.need(*_TRAINING, who="training needs", extras=["llm"])


def _plan(grid: Grid, out: Path) -> str:
    from lorabook.llm import work

    tried, compared = grid.all_cells()
    compared = list({cell.id: cell for cell in compared}.values())
    both = list({cell.id: cell for cell in tried + compared}.values())
    done = sum(work.result_of(out, cell) is not None for cell in both)
    cost = estimates.of_cells(both, grid.keep_weights)
    lines = [*textwrap.wrap(f"{grid.name}: {grid.about}", 80), ""]
    for title, cells in (("search for learning rates", tried), ("comparison", compared)):
        lines.append(f"{title}: {len(cells)} runs")
        for method in dict.fromkeys(cell.method for cell in cells):
            some = [cell for cell in cells if cell.method == method]
            lines.append(f"  {method:<16}{len(some):>5} runs  about {_duration(estimates.of_cells(some).hours)}")
    unit = "one core" if all(cell.config.model == "tiny" for cell in both) else "a GPU"
    lines += [
        "",
        f"{done} of {len(both)} are done already",
        f"all together about {_duration(cost.hours)} of {unit},",
        f"  at {_rates(unit)}",
        f"memory at most {_bytes(cost.memory)}; disk {_bytes(cost.disk)}, checkpoints of one run included",
    ]
    if len(compared) > 1:
        lines += [
            "where a searched rate differs between choices,",
            "  the comparison has more runs than these at first",
        ]
    return "\n".join(lines)


def _rates(unit: str) -> str:
    rate = estimates.RATE["cuda" if unit == "a GPU" else "cpu"]
    what = "an A100 at a third of its bf16 peak" if unit == "a GPU" else "what a core reaches on the tiny model"
    return f"{rate:.0e} operations a second ({what})"


def _duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"


def _bytes(count: float) -> str:
    for name, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count:.0f} bytes"


def _settings(words: list[str]) -> dict:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"--set is {word!r}; it must be NAME=VALUE")
        found[name] = int(value) if value.isdecimal() else value
    return found


def _without_infinity(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_without_infinity(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_infinity(item) for key, item in value.items()}
    return value
