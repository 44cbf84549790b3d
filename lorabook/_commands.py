"""What the commands do with their options, as `lorabook.cli` has parsed them.

What they need beyond numpy and scipy is imported when they run, so that asking for help is quick.
"""

import contextlib
import io
import json
import math
import warnings
from pathlib import Path

import numpy as np

from lorabook import _validate

__all__ = ["figure", "risk", "sweep"]

_METADATA = {".svg": {"Date": None}, ".png": {}, ".pdf": {"CreationDate": None}}
_DESCRIPTION = {".svg": "Description", ".png": "Description", ".pdf": "Subject"}
"""Pictures by the ending of their file's name; without dates, so that the same numbers make the same file."""
_INFINITE = "the mean is infinite; the mean of the draws says nothing"
_NO_PREDICTION = "no prediction: "
_WITHOUT_NOISE = f"{_NO_PREDICTION}without noise the theory has no strengths, which are in units of the noise"
_BEYOND = f"{_NO_PREDICTION}the formula is beyond double precision here"
_EPS = np.finfo(float).eps
_TIED = 1e-9
"""Relative difference of means that counts as rounding."""


def sweep(options) -> None:
    """Write the table of a preset and print where it is and a summary."""
    if options.out is None and options.table is None:
        raise ValueError("--out and --table are both missing; give a folder, a file, or both")
    target = options.table or options.out / f"{options.preset}.parquet"
    _check_target("--table", target, (".parquet", ".csv"), is_made=options.table is None)
    table = _run(options)
    from lorabook.sweeps.parts import write_whole

    if target.suffix == ".csv":
        write_whole(target, table.to_csv(index=False).encode())
    else:
        write_whole(target, table.to_parquet(index=False))
    print(f"{len(table)} rows in {target}")
    print(_summary(table, options))


def figure(options) -> None:
    """Draw the figure of a preset, write it and print where it is."""
    target = options.to or Path(f"{options.preset}.svg")
    _check_target("--to", target, _METADATA)
    if options.table is not None:
        _check_target("--table", options.table, (".csv",))
    import matplotlib

    matplotlib.use("Agg")
    from lorabook import figures, paper_figures
    from lorabook.sweeps.parts import write_whole

    table = _run(options)
    figures.use_style()
    picture = io.BytesIO()
    drawn = paper_figures.paper_figure(options.preset, table)
    about = {_DESCRIPTION[target.suffix]: paper_figures.FIGURES[options.preset].alt}
    drawn.savefig(picture, format=target.suffix[1:], metadata=_METADATA[target.suffix] | about)
    write_whole(target, picture.getbuffer())
    print(f"{options.preset}, {options.seeds} seeds, in {target}")
    if options.table is not None:
        numbers = paper_figures.table_of_numbers(options.preset, table)
        write_whole(options.table, numbers.to_csv(index=False).encode())
        print(f"its {len(numbers)} rows of numbers in {options.table}")


def risk(options) -> None:
    """Print the mean risks in one setting, drawn and predicted."""
    from lorabook.sampler import draw_risks
    from lorabook.sweeps import gaussian_spectrum

    d_x, d_y, n, noise_std = options.d_x, options.d_y, options.n, options.noise_std
    ranks = [rank for rank in options.ranks if rank != 0]  # rank 0 needs no draws
    _validate.integer("draws", options.draws, 2, meaning="a standard error needs two")
    if options.singular_values is None:
        singular_values = gaussian_spectrum(d_x, d_y, options.shift_rank, options.seed)
    else:
        singular_values = np.array(options.singular_values, dtype=float)
    with _one_blas_thread():
        draws = draw_risks(singular_values, d_x, d_y, n, noise_std, ranks, options.draws, options.seed)
    drawn = np.column_stack([draws.full, draws.lora])
    energy = float(np.sum(singular_values**2))
    results = [
        {"method": "none", "rank": 0, "mean": energy, "standard_error": 0.0, "median": energy, "predicted": energy}
        | {"note": None}
    ]
    for rank, risks in zip([None, *ranks], drawn.T, strict=True):
        predicted, note = _prediction(rank, singular_values, d_x, d_y, n, noise_std)
        results.append(
            {
                "method": "full" if rank is None else "lora",
                "rank": min(n, d_x, d_y) if rank is None else rank,
                "mean": float(risks.mean()),
                "standard_error": float(risks.std(ddof=1) / math.sqrt(len(risks))),
                "median": float(np.median(risks)),
                "predicted": predicted,
                "note": note,
            }
        )
    values = [float(value) for value in singular_values]
    if options.json:
        about = {"d_x": d_x, "d_y": d_y, "n": n, "noise_std": noise_std, "singular_values": values}
        about |= {"draws": options.draws, "seed": options.seed, "results": results}
        print(json.dumps(about, indent=2, allow_nan=False))
        return
    print(f"d_x = {d_x}, d_y = {d_y}, n = {n}, noise {noise_std:g}, {options.draws} draws")
    print(f"singular values of the shift: {', '.join(f'{value:.4g}' for value in values) or 'none'}")
    print(f"{'method':<18}{'mean risk':>12}   {'± std. error':<14}{'predicted':>10}")
    missing = [row["note"] for row in results if (row["note"] or "").startswith(_NO_PREDICTION)]
    shared = {note for note in missing if missing.count(note) > 1}
    for row in results:
        print(_line(row | {"note": None} if row["note"] in shared else row))
    for note in sorted(shared):
        names = "; ".join(_name(row) for row in results if row["note"] == note)
        print(f"{note} ({names})")
    print(f"least mean of these: {_least(results, (max(d_x, d_y) * _EPS) ** 2 * energy)}")


def _least(results: list[dict], rounding: float) -> str:
    """The method of least expected risk; all of them where they differ by rounding alone."""
    least = min(map(_expected, results))
    tied = [_name(row) for row in results if _expected(row) <= least * (1.0 + _TIED) + rounding]
    return tied[0] if len(tied) == 1 else f"a tie, within rounding: {'; '.join(tied)}"


def _name(row: dict) -> str:
    return {"none": "not training", "full": "full fine-tuning"}.get(row["method"], f"LoRA, r = {row['rank']}")


def _expected(row: dict) -> float:
    """The exact or predicted mean, else that of the draws; infinite where it is."""
    if row["note"] == _INFINITE:
        return math.inf
    return row["mean"] if row["predicted"] is None else row["predicted"]


def _line(row: dict) -> str:
    if row["note"] == _INFINITE:
        return f"{_name(row):<18}{'infinite':>12}   {'':<14}{'infinite':>10}  median of the draws {row['median']:.5g}"
    error = "" if row["method"] == "none" else f"± {row['standard_error']:<14.2g}"
    predicted = "" if row["predicted"] is None else f"{row['predicted']:.5g}"
    note = "" if row["note"] is None else f"  {row['note']}"
    return f"{_name(row):<18}{row['mean']:>12.5g} {error:<16}{predicted:>10}{note}".rstrip()


def _one_blas_thread():
    """On matrices of this size the threads of BLAS would wait for each other: one is about ten times faster."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:  # it comes with the extras; without it the numbers are the same
        return contextlib.nullcontext()
    return threadpool_limits(1, user_api="blas")


def _prediction(rank, singular_values, d_x, d_y, n, noise_std) -> tuple[float | None, str | None]:
    """The theory's number, if it has a finite one, and what it has to say about it; rank None is full fine-tuning."""
    from lorabook import sharp

    if noise_std == 0.0:
        return _without_noise(rank, singular_values, d_x, d_y, n)
    setting = (singular_values, d_x, d_y, n, noise_std)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", sharp.AccuracyWarning)
        try:
            value = sharp.full_risk(*setting) if rank is None else sharp.lora_risk(rank, *setting)
        except ValueError as error:
            return None, f"{_NO_PREDICTION}{error}"
    notes = [str(warning.message) for warning in caught if issubclass(warning.category, sharp.AccuracyWarning)]
    for warning in caught:
        if not issubclass(warning.category, sharp.AccuracyWarning):
            warnings.warn(warning.message, warning.category, stacklevel=2)
    if math.isfinite(value):
        return float(value), f"not accurate: {'; '.join(notes)}" if notes else None
    return None, _INFINITE if value > 0 and abs(n - d_x) <= 1 else _BEYOND


def _without_noise(rank, singular_values, d_x, d_y, n) -> tuple[float | None, str | None]:
    """Full fine-tuning, exact, which LoRA equals from the rank of the shift on; the theory needs noise for the rest."""
    from lorabook import formulas

    if rank is not None and rank < min(n, d_x, d_y, np.count_nonzero(singular_values)):
        return None, _WITHOUT_NOISE
    energy = {"s^2": float(np.sum(singular_values**2))}
    return (float(formulas.full_risk_isotropic.parts[0](d_x=d_x, n=n, **energy)) if n < d_x else 0.0), None


def _run(options):
    from lorabook import sweeps

    return sweeps.run(
        options.preset,
        options.seeds,
        engine=options.engine,
        jobs=options.jobs,
        backend=options.backend,
        common_random_numbers=not options.independent,
        out=options.out,
        progress=True,
    )


def _summary(table, options) -> str:
    """Mean risk of each method and rank at both ends of the axis, the column of settings that varies."""
    varying = [name for name in ("n", "noise_std", "shift_rank", "decay") if table[name].nunique() > 1]
    axis = varying[0]
    ends = [table[axis].min(), table[axis].max()]
    lines = [f"{'mean excess risk':<20}" + "".join(f"{f'{axis} = {end:g}':>20}" for end in ends)]
    rows = {"not training": [_untrained(table, options, axis, end) for end in ends]}
    ranks = sorted(table.loc[table["method"] == "lora", "rank"].unique())
    for name, method, rank in [("full fine-tuning", "full", None)] + [(f"LoRA, r = {r}", "lora", r) for r in ranks]:
        chosen = table[(table["method"] == method) & ((table["rank"] == rank) if rank is not None else True)]
        rows[name] = [chosen.loc[chosen[axis] == end, "excess_risk"].mean() for end in ends]
    return "\n".join(
        lines + [f"{name:<20}" + "".join(f"{mean:>20.5g}" for mean in means) for name, means in rows.items()]
    )


def _untrained(table, options, axis: str, end) -> float:
    """Mean risk of the pre-trained model over the tasks that the sweep has drawn where its axis is at this end."""
    from lorabook.sweeps import PRESETS
    from lorabook.sweeps.engines import untrained_risk

    grid = PRESETS[options.preset]
    there = [setting for setting in grid.settings() if getattr(setting, axis) == end]
    seeds = [int(seed) for seed in table["seed"].unique()]
    return float(np.mean([untrained_risk(grid, at, seed, not options.independent) for at in there for seed in seeds]))


def _check_target(name: str, path: Path, suffixes, is_made: bool = False) -> None:
    """Before anything is computed: can the file be meant?"""
    if path.suffix not in suffixes:
        raise ValueError(f"{name} is {path}; the file's name must end in {' or '.join(suffixes)}")
    if not is_made and not path.absolute().parent.is_dir():
        raise ValueError(f"{name} is {path}; the folder {path.parent} must exist")
