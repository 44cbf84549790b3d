"""Many runs, described in one small file: a base, methods with their learning rates, axes and repeats.

A grid in YAML::

    name: noise
    base: {model: tiny, task: csqa, data: synthetic, epochs: 25}
    methods:
      - {method: full, rates: [0.001, 0.002]}
      - {method: lora, rank: 2, rates: [0.005, 0.01]}
    axes: {noise: [0.0, 0.2, 0.4]}
    repeats: [{seed: 0}, {seed: 1}]
    search:
      score: validation
      repeats: [{seed: 100}]
      choices:
        clean labels: {noise: 0.0}
        labels as noisy: {}

Every method has learning rates of its own. Where it has several, each is tried on the repeats of the search, and the
rate with the best mean score is used. A choice says where a rate is searched: at one value of some axes, or, where
nothing is said of an axis, at each of its values.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from lorabook.llm import yaml_files
from lorabook.llm.config import FineTuneConfig

__all__ = ["Cell", "Grid", "Search", "shipped"]

_SHIPPED = Path(__file__).parent / "grids"
_KEYS = {"name", "about", "base", "methods", "axes", "repeats", "search", "checkpoint_steps", "keep_weights", "tiny"}
_SEARCH_KEYS = {"score", "repeats", "choices"}
_SCORES = ("validation", "test")


@dataclass(frozen=True)
class Cell:
    """One run of a grid, and where it stands in it."""

    config: FineTuneConfig
    place: tuple
    """Pairs of an axis and its value."""
    repeat: int

    @property
    def id(self) -> str:
        """The same for the same configuration, in whatever grid."""
        values = {
            name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
            for name, value in self.config.to_dict().items()
        }
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def method(self) -> str:
        """As tables name it: "full", "full, sgd" or "LoRA, r = 8"."""
        if self.config.method == "lora":
            return f"LoRA, r = {self.config.rank}"
        return "full" if self.config.optimizer == "adamw" else f"full, {self.config.optimizer}"


@dataclass(frozen=True)
class Search:
    """One learning rate to find: the candidates and, for each, the cells that try it."""

    method: str
    place: tuple
    """The axes' values where it is searched."""
    cells: dict
    """By rate, lists of cells."""


@dataclass(frozen=True)
class Grid:
    """What the file says, checked."""

    name: str
    about: str
    base: dict
    methods: list
    axes: dict
    repeats: list
    score: str
    search_repeats: list
    choices: dict
    checkpoint_steps: int | None
    keep_weights: bool

    @classmethod
    def load(cls, path: str | Path, tiny: bool = False) -> "Grid":
        """Read a file, or a shipped grid by its name; `tiny` takes the small version that the file describes.

        Raises ValueError, naming the file and the entry, for what is unknown, missing or makes no sense.
        """
        path = _SHIPPED / f"{path}.yaml" if str(path) in shipped() else Path(path)
        if not path.is_file():
            raise ValueError(f"grid is '{path}'; it must be a file, or one of {shipped()}")
        try:
            values = yaml_files.parse(path.read_text("utf-8"))  # JSON is YAML too
            return cls.from_dict(values, tiny)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def from_dict(cls, values, tiny: bool = False) -> "Grid":
        """The same from a mapping."""
        if not isinstance(values, dict):
            raise ValueError(f"a grid is a mapping, not {type(values).__name__}")
        if tiny:
            if "tiny" not in values:
                raise ValueError("it has no tiny version: an entry 'tiny' with what differs")
            values = {**values, **values["tiny"]}
        _check_keys("grid", values, _KEYS)
        for name in ("name", "base", "methods"):
            if name not in values:
                raise ValueError(f"{name} is missing; a grid needs name, base and methods")
        search = values.get("search") or {}
        _check_keys("search", search, _SEARCH_KEYS)
        axes = {name: list(points) for name, points in (values.get("axes") or {}).items()}
        if any(not points for points in axes.values()):
            raise ValueError("axes has an axis without values")
        for choice, where in (search.get("choices") or {}).items():
            _check_keys(f"search.choices.{choice}", where or {}, set(axes))
        score = search.get("score", "validation")
        if score not in _SCORES:
            raise ValueError(f"search.score is {score!r}; it must be one of {list(_SCORES)}")
        grid = cls(
            name=str(values["name"]),
            about=" ".join(str(values.get("about", "")).split()),
            base=dict(values["base"]),
            methods=[dict(method) for method in values["methods"]],
            axes=axes,
            repeats=[dict(repeat) for repeat in values.get("repeats") or [{}]],
            score=score,
            search_repeats=[dict(repeat) for repeat in search.get("repeats") or [{}]],
            choices={name: dict(where or {}) for name, where in (search.get("choices") or {"": {}}).items()},
            checkpoint_steps=values.get("checkpoint_steps"),
            keep_weights=bool(values.get("keep_weights", False)),
        )
        grid._check()
        return grid

    def to_dict(self) -> dict:
        """What `from_dict` takes."""
        return {
            "name": self.name,
            "about": self.about,
            "base": self.base,
            "methods": self.methods,
            "axes": self.axes,
            "repeats": self.repeats,
            "search": {"score": self.score, "repeats": self.search_repeats, "choices": self.choices},
            "checkpoint_steps": self.checkpoint_steps,
            "keep_weights": self.keep_weights,
        }

    def searches(self) -> list[Search]:
        """The learning rates to find, each once; none for a method with a single rate."""
        found = {}
        for method, choice, place in itertools.product(self.methods, self.choices, self._places()):
            rates = method.get("rates", [])
            if len(rates) > 1:
                where = self.searched_at(choice, place)
                key = (json.dumps(method, sort_keys=True), where)
                if key not in found:
                    cells = {
                        rate: [
                            self._cell(method, where, index, repeat, rate)
                            for index, repeat in enumerate(self.search_repeats)
                        ]
                        for rate in rates
                    }
                    found[key] = Search(cells[rates[0]][0].method, where, cells)
        return list(found.values())

    def cells(self, chosen: dict) -> dict[str, list[Cell]]:
        """The runs themselves, by choice, with the learning rates found: those of `searches`, by method and place.

        Runs of a method whose rate is missing in `chosen` are left out.
        """
        found = {}
        for choice in self.choices:
            found[choice] = []
            for method, place in itertools.product(self.methods, self._places()):
                rates = method.get("rates", [None])
                rate = rates[0]
                if len(rates) > 1:
                    name = self._cell(method, place, 0, self.repeats[0], rate).method
                    rate = chosen.get((name, self.searched_at(choice, place)))
                    if rate is None:
                        continue
                found[choice] += [
                    self._cell(method, place, index, repeat, rate) for index, repeat in enumerate(self.repeats)
                ]
        return found

    def all_cells(self) -> tuple[list[Cell], list[Cell]]:
        """The cells of the searches and, with each method's first rate, those of the comparison; for estimates."""
        searches = self.searches()
        first = {(search.method, search.place): next(iter(search.cells)) for search in searches}
        tried = [cell for search in searches for cells in search.cells.values() for cell in cells]
        compared = [cell for cells in self.cells(first).values() for cell in cells]
        return _distinct(tried), compared

    def _places(self) -> list[tuple]:
        return [tuple(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())]

    def searched_at(self, choice: str, place: tuple) -> tuple:
        """The place where a choice searches the rate that is used at this place."""
        return tuple((axis, self.choices[choice].get(axis, value)) for axis, value in place)

    def _cell(self, method: dict, place: tuple, index: int, repeat: dict, rate: float | None) -> Cell:
        values = {**self.base, **dict(place), **repeat, **{k: v for k, v in method.items() if k != "rates"}}
        if rate is not None:
            values["learning_rate"] = rate
        return Cell(FineTuneConfig.from_dict(values), place, index)

    def _check(self) -> None:
        """Every cell must make a configuration, and name its method differently from the others."""
        for method in self.methods:
            rates = method.get("rates", [None])
            if not isinstance(rates, list) or not rates:
                raise ValueError(f"methods: rates is {rates!r}; it must be a list of learning rates")
        tried, compared = self.all_cells()
        names = {self._cell(m, self._places()[0], 0, self.repeats[0], None).method for m in self.methods}
        if len(names) < len(self.methods):
            raise ValueError("methods: two are the same method with the same rank")
        if not compared and not tried:
            raise ValueError("it has no cells")


def shipped() -> list[str]:
    """The names of the grids that come with the library."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def _distinct(cells: list[Cell]) -> list[Cell]:
    return list({cell.id: cell for cell in cells}.values())


def _check_keys(what: str, values, known) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{what} is {values!r}; it must be a mapping")
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"{what} has the unknown entries {unknown}; there are {sorted(known)}")
