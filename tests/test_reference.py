"""The reference: every object, symbol, term and source leads to its place in the book, and the book leads back."""

import re
from types import SimpleNamespace

import book_library
import book_sources
import book_uses
import first_use
import pytest
from accessible_markup import correct_roles, improve, name_buttons
from book_sources import Piece
from bs4 import BeautifulSoup
from crossreferences import where
from docutils import nodes
from docutils.utils import new_document
from pybtex.database import parse_file

from lorabook.formulas import FORMULAS

ROOT = book_sources.ROOT
PAGES = {path: path.read_text("utf-8") for path in sorted((ROOT / "book" / "reference").glob("*.md"))}
NOTATION = (ROOT / "book" / "notation.md").read_text("utf-8")
ROWS = [row for _, row in first_use.rows(NOTATION)]
BIBLIOGRAPHY = parse_file(ROOT / "book" / "references.bib").entries
# LaTeX that is a relation, an operation, a function of common use, a bracket or a space.
COMMON_TEX = r"""
    \top \dagger \perp \ge \le \in \ne \sim \approx \simeq \to \mapsto \infty \succ \ll \gg \pm \mid \dots
    \cdots \cdot \times \cap \cup \min \max \sum \prod \int \sqrt \frac \tfrac \log \exp \sin \cos \arg \sup
    \inf \lim \det \ln \operatorname \mathrm \mathbf \mathsf \mathbb \mathcal \text \begin \end \quad \qquad
    \bigl \bigr \Bigl \Bigr \big \Big \langle \rangle \hat \bar \star \nabla \partial \underbrace \overline
    \mathop \nolimits \limits \notag \sigma \biggl \biggr \lfloor \rfloor \lceil \rceil \subset \equiv \propto
    \circ \forall \exists F
"""
COMMON = set(COMMON_TEX.split())  # F is the Frobenius norm's, and sigma stands in the table as its square
LETTER = re.compile(r"(?<!\S)((?:\\(?:hat|bar|mathcal) )?(?:[A-Za-z]|\\[A-Za-z]+)) ")


# The library ------------------------------------------------------------------------------------------------------


def test_every_public_module_is_on_one_page_of_the_reference():
    listed = [name for text in PAGES.values() for name in re.findall(r"automodule:: (\S+)", text)]
    assert sorted(listed) == sorted(book_library.modules())


def test_every_page_of_the_reference_is_in_the_table_of_contents():
    assert {f"book/reference/{path.stem}" for path in PAGES} <= set(book_sources.pages())


def test_every_object_leads_to_places_that_exist():
    astray = [
        name
        for name in book_library.objects()
        if not (places := book_uses.explaining(name)) or not all(map(exists, (*places, *book_uses.users(name))))
    ]
    assert not astray


def exists(place):
    headings = {piece.heading for piece in book_sources.pieces(place.page)}
    at_label = not place.label or book_sources.labels()[place.label][0] == place.page
    return at_label and (not place.heading or place.heading in headings)


@pytest.mark.parametrize("page", book_sources.chapters())
def test_every_chapter_leads_to_objects_and_they_lead_back(page):
    used = book_uses.used_on(page)
    assert used
    for name in used:
        sentence = where("function", name)
        assert f"/{page}>`" in sentence or f"<{page}:" in sentence


def used_in(*cells):
    return set(book_uses.objects_in(Piece(True, "", cell) for cell in cells))


def test_uses_are_read_off_the_code():
    assert used_in("import lorabook\nlorabook.Task.gaussian(1, 1, 1, 1.0, 0)") == {"lorabook.task.Task"}
    assert used_in("from lorabook import sharp as s", "f(s.lora_risk)") == {"lorabook.sharp.lora_risk"}
    assert used_in("%pip install x\nfrom lorabook.llm import grid\ngrid.Grid") == {"lorabook.llm.grid.Grid"}
    assert used_in("import lorabook.linalg\nlorabook.linalg.svd") == {"lorabook.linalg.svd"}


def test_what_is_imported_or_named_alike_is_not_used():
    assert used_in("from lorabook import lora, sharp") == set()
    assert used_in("task.lora(X)\nnumpy.linalg.svd(X)") == set()
    assert used_in("from lorabook import sharp\nsharp._setting") == set()


def test_equal_numbers_of_different_modules_are_not_mixed_up():
    assert book_library.name_of(3, "lorabook.llm.cli.UNFINISHED") == "lorabook.llm.cli.UNFINISHED"
    assert book_library.name_of(3, "elsewhere.THREE") is None


def test_methods_are_found_and_private_things_are_not():
    assert book_uses.listed("lorabook.Task.excess_risk") == "lorabook.task.Task.excess_risk"
    assert book_uses.listed("lorabook.sharp.limit.full_risk") == "lorabook.sharp.full_risk"
    assert book_uses.listed("lorabook._validate.number") is None
    assert book_uses.listed("lorabook.no_such_thing") is None


def test_an_object_that_the_book_never_comes_near_is_an_error(monkeypatch):
    for name in ("users", "stated", "of_module", "chapters_in"):
        monkeypatch.setattr(book_uses, name, lambda _: ())
    with pytest.raises(LookupError, match=r"no chapter uses lorabook\.task\.Task"):
        book_uses.explaining.__wrapped__("lorabook.task.Task")


# Notation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ", ".join(row.symbols))
def test_every_symbol_of_the_notation_is_used(row):
    page, heading = first_use.first_use(row)
    assert page in (row.scope or book_sources.pages())
    assert heading in {piece.heading for piece in book_sources.pieces(page)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ", ".join(row.symbols))
def test_no_chapter_uses_a_symbol_before_the_one_that_defines_it(row):
    """A single letter may mean something else before."""
    chapters = [page for page in book_sources.chapters() if not row.scope or page in row.scope]
    if row.defined and row.defined[0] in chapters:
        marked = tuple(symbol for symbol in row.symbols if not re.fullmatch(r"\\?[A-Za-z]+", symbol))
        earlier = chapters[: chapters.index(row.defined[0])]
        assert first_use.find(first_use.Row(marked, "", (), row.placeholder), earlier) is None


def letters(formula):
    return set(LETTER.findall(first_use.tokens(formula)))


def test_symbols_of_more_than_one_chapter_are_in_the_notation():
    """Those of statements and of the text around them; proofs and exercises have their own."""
    seen = {}
    for page in book_sources.chapters():
        for formula in book_sources.formulas(book_sources.without_proofs(book_sources.prose(page))):
            for letter in letters(formula) - COMMON:
                seen.setdefault(letter, set()).add(page)
    explained = {letter for formula in book_sources.formulas(NOTATION) for letter in letters(formula)}
    assert {letter: pages for letter, pages in seen.items() if len(pages) > 1 and letter not in explained} == {}


@pytest.mark.parametrize(
    ("symbol", "formula", "found"),
    [
        (r"\Sigma_x", r"\operatorname{tr}(A \Sigma_{x})", True),
        (r"\Sigma_x", r"\hat\Sigma_x", False),
        (r"\Sigma_x", r"\hat{\Sigma}_x", False),
        (r"\hat\Sigma_x", r"\hat{\Sigma}_x^\dagger", True),
        ("P", r"P_{\mathrm{row}} + P_*", False),
        ("P", "I - P", True),
        (r"W_{\mathrm{FFT}}", r"\mathcal{E}(W_\mathrm{FFT})", True),
        ("n", r"\min(n, d_x)", True),
        ("n", r"\operatorname{min}", False),
    ],
)
def test_a_symbol_is_told_from_its_relatives(symbol, formula, found):
    assert first_use.occurs(first_use.pattern(symbol), first_use.tokens(formula)) == found


def test_any_matrix_may_stand_for_the_placeholder():
    norm = first_use.pattern(r"\lVert A \rVert_F", "A")
    assert first_use.occurs(norm, first_use.tokens(r"\|W - W_0\|_F^2"))
    assert not first_use.occurs(norm, first_use.tokens(r"\|W\|"))


def test_the_column_of_first_use():
    text = (
        "| Symbol | Meaning |\n|---|---|\n| $X$ | features |\n\n| On the page | In code |\n|---|---|\n| $X$ | `X` |\n"
    )
    page, heading = first_use.first_use(first_use.Row(("X",), "features"))
    link = f"{{ref}}`{book_sources.title(page)} <{page}:{heading.lower()}>`"
    expected = text.replace("Meaning |\n|---|---|", "Meaning | First used |\n|---|---|---|", 1)
    assert first_use.with_first_use(text) == expected.replace("features |", f"features | {link} |")


def test_the_formulas_stand_in_the_order_of_the_book():
    """The ledger lists them in their own order."""
    labels = list(book_sources.labels())
    places = [labels.index(formula.equation) for formula in FORMULAS.values()]
    assert places == sorted(places)


def test_an_exercise_is_no_first_use():
    page, heading = first_use.first_use(first_use.Row((r"P_{\mathrm{row}}",), "the row space"))
    assert (page, heading) == ("book/full_finetuning", "What the data can see")


# Glossary ---------------------------------------------------------------------------------------------------------

TERMS = book_sources.terms()


def test_the_glossary_is_in_alphabetical_order():
    entries = (ROOT / "book" / "glossary.md").read_text("utf-8").split("```")[1].split("\n\n")
    assert len(TERMS) == len(entries) > 60
    assert list(TERMS) == sorted(TERMS, key=str.lower)


@pytest.mark.parametrize("term", TERMS)
def test_every_term_leads_to_a_chapter(term):
    text = " ".join(TERMS[term].split())
    labels = re.findall(r"\{(?:prf:ref|eq)\}`([^`]+)`", text)
    sections = re.findall(r"\{ref\}`[^`]+ <([^:>]+):([^>]+)>`", text)
    places = [book_sources.labels()[label] for label in labels]
    for page, heading in sections:
        assert heading in {piece.heading.lower() for piece in book_sources.pieces(page)}
        places.append((page, heading))
    assert any(page in (*book_sources.chapters(), "book/ledger") for page, _ in places)
    for other in re.findall(r"\{term\}`(?:[^`<]+ <)?([^`>]+)>?`", text):
        assert other in TERMS


# Bibliography -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", BIBLIOGRAPHY)
def test_every_source_is_cited_dated_and_can_be_followed(key):
    fields = BIBLIOGRAPHY[key].fields
    assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    assert re.fullmatch(r"10\.\d{4,}/\S+", fields.get("doi", "10.0000/none"))
    assert re.fullmatch(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}", fields.get("eprint", "math/0000000"))
    assert {"doi", "eprint", "url"} & set(fields)
    cited = {
        word.strip()
        for page in book_sources.pages()
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", book_sources.prose(page))
        for word in keys.split(",")
    }
    assert key in cited


def test_entries_of_the_bibliography_are_items_of_a_list():
    context = {"body": '<div role="list"><div class="citation" role="doc-biblioentry">'}
    correct_roles(None, "book/bibliography", "page.html", context, None)
    assert context == {"body": '<div role="list"><div class="citation" role="listitem">'}
    correct_roles(None, "search", "search.html", {}, None)


def test_buttons_that_unfold_the_contents_have_a_name():
    tree = """<li><a>The library</a><details><summary><i class="icon"></i></summary></details></li>
    <li><details><summary><p>For reference</p></summary></details></li>"""
    context = {"generate_toctree_html": lambda kind: BeautifulSoup(tree, "html.parser")}
    name_buttons(None, "book/lora", "page.html", context, None)
    icon, words = context["generate_toctree_html"]("sidebar").select("summary")
    assert icon["aria-label"] == "Pages of The library"
    assert "aria-label" not in words.attrs
    name_buttons(None, "search", "search.html", {}, None)


def improved(*content, builder="html"):
    document = new_document("page")
    document += content
    improve(SimpleNamespace(builder=SimpleNamespace(format=builder)), document, "book/lora")
    return document


def test_a_formula_and_its_punctuation_stay_on_one_line():
    def sentence():
        return nodes.paragraph("", "", *map(nodes.Text, ["of A ("]), nodes.math("", "n"), nodes.Text("), where "))

    (together,) = improved(sentence()).findall(nodes.inline)
    assert together["classes"] == ["lorabook-unbroken"]
    assert together.astext() == "(n),"
    assert improved(sentence()).astext() == improved(sentence(), builder="latex").astext() == "of A (n), where "
    assert not list(improved(sentence(), builder="latex").findall(nodes.inline))
    twice = [nodes.math("", "n"), nodes.Text(", "), nodes.strong("", "m"), nodes.Text(", "), nodes.math("", "k")]
    twice += [nodes.Text(", ")]
    assert improved(nodes.paragraph("", "", *twice)).astext() == "n, m, k, "
    alone = nodes.paragraph("", "", nodes.math("", "n"), nodes.math("", "m"), nodes.Text(" and "), nodes.math("", "k"))
    assert not list(improved(alone).findall(nodes.inline))


def test_an_image_of_a_figure_scrolls_in_a_box_of_its_own():
    figure = nodes.figure("", nodes.image(uri="a.svg"), nodes.caption("", "Words."))
    box, caption = next(improved(figure).findall(nodes.figure))
    assert box["classes"] == ["lorabook-figure"]
    assert isinstance(box[0], nodes.image)
    assert caption.astext() == "Words."


def test_a_link_in_a_title_begins_after_the_space():
    title = nodes.title("", "", nodes.Text("Solution to"), nodes.reference("", " Exercise 2.1"))
    title = next(improved(title).findall(nodes.title))
    assert title.astext() == "Solution to Exercise 2.1"
    assert title[-1].astext() == "Exercise 2.1"
