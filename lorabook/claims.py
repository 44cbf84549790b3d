"""The ledger of claims: every numbered statement of the book with its checks, from `claims.toml`.

Each entry names the statement's label in the book, its place in the paper, the library function that evaluates it, a
symbolic check (or why there is none), and a numerical check. `run` carries the checks out; the page *Ledger of claims*
shows the outcome; the build compares the entries with the statements that the book really makes.
"""

import importlib
import re
import textwrap
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

MINUS = re.compile(r"(?:(?<=\de)|(?<![\w-]))-(?=\d|inf)")
"""A hyphen that is a sign: in front of a number or of an exponent."""

__all__ = ["Check", "Claim", "Outcome", "ledger", "load", "run", "with_minus_signs", "without_bars"]


@dataclass(frozen=True)
class Check:
    """The outcome of a numerical check: it passed if `value <= limit`."""

    words: str
    """What was measured, on what, and where the limit comes from."""
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the figure is within its limit (NaN is not)."""
        return bool(self.value <= self.limit)

    def report(self) -> None:
        """Print the outcome, on lines as long as a page is wide. Raises ValueError if the check failed.

        A figure that is allowed to be rounding alone is not printed: its digits are those of one machine.

        >>> Check("largest z-score of the mean, 9 settings", 1.234, 4.4).report()
        largest z-score of the mean, 9 settings: 1.23, limit 4.40
        >>> Check("largest difference of the two sides", 3e-16, 2e-13).report()
        largest difference of the two sides: within rounding
        """
        if not self.passed:
            raise ValueError(f"the check failed: {self.words}: {self.value:.3g} > {self.limit:.3g}")
        rounding = abs(self.limit) < 1e-6
        outcome = "within rounding" if rounding else f"{self.value:.2f}, limit {self.limit:.2f}"
        print(textwrap.fill(f"{self.words}: {outcome}", 74))


@dataclass(frozen=True)
class Claim:
    """A numbered statement of the book and how it is checked."""

    label: str
    """Its label in the book, the target of links."""
    statement: str
    paper: str
    """Where the paper has it, or that it does not."""
    function: str
    """Dotted name of the library function that evaluates it."""
    numerical: str
    """Name of a function in `lorabook.checks`."""
    symbolic: str = ""
    """Name of a function in `lorabook.symbolic` that returns a Proof."""
    no_symbolic: str = ""
    """Why there is no symbolic check, if there is none."""

    def __post_init__(self):
        if bool(self.symbolic) == bool(self.no_symbolic):
            raise ValueError(f"claim {self.label} must have either a symbolic check or the reason why there is none")


@dataclass(frozen=True)
class Outcome:
    """What the checks of a claim found."""

    claim: Claim
    proof: object | None
    check: Check


def load() -> list[Claim]:
    """The entries of `claims.toml`, in the order of the book. Raises ValueError if a label stands twice."""
    claims = [
        Claim(**entry) for entry in tomllib.loads((files("lorabook") / "claims.toml").read_text("utf-8"))["claim"]
    ]
    labels = [claim.label for claim in claims]
    if len(set(labels)) < len(labels):
        raise ValueError(f"claims.toml names twice: {sorted({label for label in labels if labels.count(label) > 1})}")
    return claims


def run(claim: Claim) -> Outcome:
    """Carry out the checks of a claim. A false symbolic step raises ValueError; see `Outcome.check` for the number."""
    resolve(claim.function)
    proof = resolve(f"lorabook.symbolic.{claim.symbolic}")() if claim.symbolic else None
    return Outcome(claim, proof, resolve(f"lorabook.checks.{claim.numerical}")())


def ledger(outcomes: list[Outcome]) -> str:
    """The outcomes as a Markdown table with links to the statements. Raises ValueError if a check failed."""
    failed = [outcome for outcome in outcomes if not outcome.check.passed]
    if failed:
        lines = [f"{o.claim.label}: {o.check.words}: {o.check.value:.3g} > {o.check.limit:.3g}" for o in failed]
        raise ValueError("checks failed: " + "; ".join(lines))
    rows = ["| Statement | Symbolic check | Numerical check | Figure, limit |", "|---|---|---|---|"]
    for outcome in outcomes:
        claim, check, proof = outcome.claim, outcome.check, outcome.proof
        verified = f"{proof.title}: {_count(len(proof.steps), 'identity', 'identities')}" if proof else ""
        cells = [
            f"{{prf:ref}}`{claim.label}` {claim.statement}<br>Paper: {claim.paper}<br>{{py:obj}}`~{claim.function}`",
            verified or f"None: {claim.no_symbolic}",
            with_minus_signs(check.words),
            f"{_figure(check.value)}<br>≤ {_figure(check.limit)}",
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def without_bars(latex: str) -> str:
    r"""LaTeX without the bar, which would end the cell of a Markdown table.

    >>> print(without_bars(r"\|A\|_F^2"))
    \Vert A\Vert _F^2
    """
    return latex.replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def with_minus_signs(text: str) -> str:
    """Numbers as a page shows them, with real minus signs: no line ends at one.

    >>> with_minus_signs("z-score -86, false alarms 1e-4 in all")
    'z-score −86, false alarms 1e−4 in all'
    """
    return MINUS.sub("−", text)


def _figure(value: float) -> str:
    """One digit of what rounding leaves, two of what is of ordinary size, standard errors in full."""
    size = abs(value)
    written = f"{value:,.0f}" if 10 <= size < 1e6 else f"{value:.2g}" if 0.01 <= size < 10 else f"{value:.1g}"
    return with_minus_signs(written)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def resolve(dotted: str) -> Callable:
    """The object of a dotted name, `lorabook.task.Task.excess_risk`. Raises ValueError if there is none."""
    parts = dotted.split(".")
    for split in range(len(parts), 0, -1):
        try:
            target = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        try:
            for name in parts[split:]:
                target = getattr(target, name)
        except AttributeError:
            break
        return target
    raise ValueError(f"{dotted} does not exist")
