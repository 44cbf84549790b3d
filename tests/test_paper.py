"""The book on paper: widths of columns. (The rest is seen in the PDF, which the tests do not make.)"""

import pytest
from paper_parts import LINE, widths


@pytest.mark.parametrize(
    "columns",
    [
        [("theorem", "yes"), ("a long line of text " * 8, "short")],
        [("11,600", "0.00041"), ("a name", "b"), ("words " * 30, ""), ("words " * 60, "")],
        [("a_name_of_a_function_that_is_long", ""), ("x", "y")],
    ],
)
def test_columns_fill_the_line_and_hold_their_words(columns):
    found = widths(columns)
    assert sum(found) == pytest.approx(LINE, abs=len(columns))
    for width, column in zip(found, columns, strict=True):
        longest = max(len(word) for text in column for word in text.split())
        assert width >= 5 * min(longest, 25) + 12


def test_the_longer_text_gets_the_wider_column():
    few, many = widths([("word", "word"), ("word " * 40, "word")])
    assert many > few


def test_columns_without_words_have_a_width():
    assert min(widths([("", ""), ("word " * 40, "")])) > 0
