"""The ledger: every numbered statement of the book has an entry, every entry its statement, every check passes."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import sympy
from sphinx.errors import ExtensionError

from lorabook import checks, claims, symbolic

BOOK = Path(__file__).parent.parent / "book"
CLAIMS = claims.load()


def _statements() -> list[str]:
    pattern = re.compile(r"^:::+\{prf:(?:theorem|lemma|proposition|corollary)\}.*\n:label: (\S+)", re.MULTILINE)
    pages = [path.read_text("utf-8") for path in BOOK.glob("*.md")]
    for path in BOOK.glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        pages += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return [label for page in pages for label in pattern.findall(page)]


def test_the_book_states_what_the_ledger_lists():
    assert sorted(_statements()) == sorted(claim.label for claim in CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.label)
def test_claim(claim):
    outcome = claims.run(claim)
    assert outcome.check.passed, outcome.check
    assert bool(outcome.proof) == bool(claim.symbolic)


def test_no_check_and_no_proof_is_forgotten():
    assert {claim.numerical for claim in CLAIMS} == set(checks.__all__)
    proofs = {name for name, value in vars(symbolic).items() if _makes_a_proof(value)}
    assert proofs == {claim.symbolic for claim in CLAIMS if claim.symbolic}


def _makes_a_proof(value) -> bool:
    return callable(value) and getattr(value, "__annotations__", {}).get("return") is symbolic.Proof


def test_the_ledger_has_a_row_for_each_claim_with_link_figure_and_limit():
    proof = symbolic.lora_is_projected()
    with_proof = next(claim for claim in CLAIMS if claim.symbolic)
    without = next(claim for claim in CLAIMS if claim.no_symbolic)
    check = claims.Check("largest |difference|", 3e-15, 2e-13)
    table = claims.ledger([claims.Outcome(with_proof, proof, check), claims.Outcome(without, None, check)])
    _, _, first, second = table.splitlines()
    for row, claim in ((first, with_proof), (second, without)):
        assert f"{{prf:ref}}`{claim.label}`" in row
        assert f"{{py:obj}}`~{claim.function}`" in row
        assert "3e−15<br>≤ 2e−13" in row
        assert r"largest \|difference\|" in row  # a bare bar would end the cell
    assert "LoRA as projected full fine-tuning, all sizes: 2 identities" in first
    assert f"None: {without.no_symbolic}" in second


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.symbolic], ids=lambda claim: claim.label)
def test_what_a_proof_displays_is_what_it_checked(claim):
    proof = claims.resolve(f"lorabook.symbolic.{claim.symbolic}")()
    shown = proof._repr_latex_()
    assert shown.count(r"\checkmark") == len(proof.steps)
    for step in proof.steps:
        put_in = [step.left.expr, *step.left.point] if isinstance(step.left, sympy.Subs) else [step.left]
        *left, right = (symbolic._proof._latex(side) for side in (*put_in, step.right))
        assert all(part in shown for part in left)
        assert right in shown
        assert left != [right], f"{step.words}: both sides look the same, {left}"
    assert str(len(proof.steps)) in repr(proof)


def test_a_name_stands_once_in_the_ledger(monkeypatch, tmp_path):
    entry = (BOOK.parent / "lorabook" / "claims.toml").read_text("utf-8")
    (tmp_path / "claims.toml").write_text(entry + entry, "utf-8")
    monkeypatch.setattr(claims, "files", lambda _: tmp_path)
    first = min(claim.label for claim in CLAIMS)
    with pytest.raises(ValueError, match=rf"claims.toml names twice: \['{first}'"):
        claims.load()


def test_a_failed_check_stops_the_ledger():
    failed = claims.Outcome(CLAIMS[0], None, claims.Check("a figure above its limit", 2.0, 1.0))
    with pytest.raises(ValueError, match=r"checks failed: .*a figure above its limit: 2 > 1"):
        claims.ledger([failed])
    assert not claims.Check("not a number", float("nan"), 1.0).passed


def test_an_entry_must_say_why_it_has_no_symbolic_check():
    with pytest.raises(ValueError, match="must have either a symbolic check or the reason"):
        claims.Claim("lem-x", "x", "Lemma 0", "lorabook.linalg.svd", "weyl")


def test_a_name_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match=r"lorabook\.linalg\.svdd does not exist"):
        claims.resolve("lorabook.linalg.svdd")


@pytest.fixture
def guard(monkeypatch):
    monkeypatch.syspath_prepend(str(BOOK / "_ext"))
    yield __import__("claims_guard")
    sys.modules.pop("claims_guard")


def _environment(labels):
    return SimpleNamespace(proof_list={label: {"realtype": "lemma"} for label in labels})


def test_the_build_stops_at_a_statement_without_an_entry_and_an_entry_without_its_statement(guard):
    labels = [claim.label for claim in CLAIMS]
    guard.compare(None, _environment(labels))
    with pytest.raises(ExtensionError, match="lem-new is stated but has no entry"):
        guard.compare(None, _environment([*labels, "lem-new"]))
    with pytest.raises(ExtensionError, match=f"{labels[0]} is in .* but not stated"):
        guard.compare(None, _environment(labels[1:]))


def test_the_build_loads_every_extension_of_the_book():
    listed = re.findall(r"^      - (\w+)(?: #.*)?$", (BOOK.parent / "_config.yml").read_text("utf-8"), re.MULTILINE)
    extensions = {path.stem for path in (BOOK / "_ext").glob("*.py") if "\ndef setup(" in path.read_text("utf-8")}
    assert len(extensions) > 5
    assert extensions <= set(listed)
