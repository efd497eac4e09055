"""Labels in files.

`read` chooses the reader by the file's ending: `rasters`, `vectors` (polygons and points), `tables`
or `envi_rois`, each with a function `read(path, scene, ...)`. `class_columns` turns a column of
numbers or words into class ids, `from_shapes` shapes into labels. `reference_points` reads samples
for estimates of area, which are not labels.
"""
