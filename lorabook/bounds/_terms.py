"""A risk or a bound as named terms and their sum."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Terms"]


@dataclass(frozen=True)
class Terms(Mapping):
    """The terms of a risk, by name, in squared units of y; a read-only mapping.

    >>> terms = Terms({"bias": 2.0, "variance": 0.5})
    >>> terms["bias"], terms.total
    (2.0, 2.5)
    """

    values_by_name: dict[str, float]
    standard_errors: dict[str, float] = field(default_factory=dict)
    """Of the terms that were simulated, or made of simulated moments."""
    options: dict[str, str] = field(default_factory=dict)
    """For a term that is the smallest of several bounds: which one it is."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms, in the order of the formula."""
        return tuple(self.values_by_name)

    @property
    def total(self) -> float:
        """The sum of the terms."""
        return float(sum(self.values_by_name.values()))

    def __getitem__(self, name: str) -> float:
        return self.values_by_name[name]

    def __iter__(self):
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)
