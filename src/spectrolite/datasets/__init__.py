"""Public data sets by name: where they are, which bytes, classes and known conflicts."""
