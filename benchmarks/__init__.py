"""How fast the library is, against the textbook's formulas and against LAPACK: `make benchmarks`."""
