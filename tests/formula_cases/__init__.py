"""For each formula of the book, a second way to its value; a module for each module of `lorabook.formulas`."""
