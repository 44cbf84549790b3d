"""The file of results: complete, and of the code and settings beside it."""

import json

import pytest
from test_llm_grid import grid, put_result

from lorabook.llm import fingerprint, packed, reports, runs, work
from lorabook.llm.grid import Grid


@pytest.fixture
def finished(tmp_path):
    small = grid(axes={"noise": [0.0, 0.4]})
    tried = [cell for search in small.searches() for cells in search.cells.values() for cell in cells]
    for cell in tried:
        put_result(tmp_path, cell, 0.5 + 10 * cell.config.learning_rate)
    chosen = work.rates(work.choose_rates(small, small.searches(), tmp_path))
    for cells in small.cells(chosen).values():
        for cell in cells:
            put_result(tmp_path, cell, 0.6 + 0.02 * cell.repeat)
    code = fingerprint.of_modules(*runs.CODE)
    for path in tmp_path.rglob("result.json"):
        result = json.loads(path.read_text())
        result["hashes"]["code"] = code
        result |= {"cost": {"seconds": 9.0, "hardware": "a core"}, "versions": {"torch": "2"}}
        path.write_text(json.dumps(result))
    return small, tmp_path


def test_what_is_packed_reads_as_the_folder_does(finished, tmp_path):
    small, out = finished
    packed.pack(out, [small], tmp_path / "a.json")
    found = packed.load(tmp_path / "a.json", [small])
    assert [line.to_dict() for line in reports.lines(small, found)] == [
        line.to_dict() for line in reports.lines(small, out)
    ]
    assert reports.table(small, found) == reports.table(small, out)
    assert found.grids == {"small": small}
    assert found.about["core_hours"] == pytest.approx(9.0 * len(found) / 3600)
    assert len(found) == len(list(out.rglob("result.json")))


def test_damage_and_change_are_noticed(finished, tmp_path, monkeypatch):
    small, out = finished
    path = tmp_path / "a.json"
    packed.pack(out, [small], path)
    content = json.loads(path.read_text())
    cell = next(iter(content["cells"].values()))
    cell["metrics"]["test"]["correct"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="is damaged"):
        packed.load(path)
    packed.pack(out, [small], path)
    with pytest.raises(ValueError, match="other settings of the grid 'small'"):
        packed.load(path, [grid(axes={"noise": [0.0, 0.4]}, repeats=[{"seed": 5}])])
    monkeypatch.setattr(packed, "_code", lambda: "other")
    with pytest.raises(ValueError, match="was made by other code"):
        packed.load(path)
    with pytest.raises(ValueError, match="was made by other code"):
        packed.pack(out, [small], path)


def test_nothing_may_be_missing(finished, tmp_path):
    small, out = finished
    cell = small.cells(work.rates(work.choose_rates(small, small.searches(), out)))["clean"][0]
    (work.folder_of(out, cell) / "result.json").unlink()
    with pytest.raises(ValueError, match=f"has no result of {cell.method} at .*{cell.id}"):
        packed.pack(out, [small], tmp_path / "a.json")


def test_the_shipped_results_belong_to_this_code_and_these_grids():
    found = packed.shipped()
    for name in ("noise", "samples"):
        lines = reports.lines(Grid.load(name, True), found)
        assert lines
        assert {(line.repeats, line.missing) for line in lines} == {(15, 0)}
    assert found.about["core_hours"] > 1.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1  # one", "x = (1)", True),
        ('def f():\n    "Doc."\n    return 1', "def f() -> int:\n    return 1", True),
        ("def f(x: int): return x", "def f(x: float): return x", True),
        ("x = 1", "x = 2", False),
        ("x = 'a'", "x = 'b'", False),
        ("x: int = 1", "x: float = 1", False),
        ("def f(x=1): return x", "def f(x=2): return x", False),
    ],
)
def test_fingerprints_are_of_what_code_does(one, other, same):
    assert (fingerprint.of_code(one) == fingerprint.of_code(other)) is same
