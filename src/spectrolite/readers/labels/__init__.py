"""Readers of labels: rasters, polygons and points, tables, ENVI regions."""
