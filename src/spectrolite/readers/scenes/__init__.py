"""Scenes in files.

`open` chooses the reader by the file's ending, and opens the scene or reads it into memory. Each
format family has one module (`envi`, `geotiff`, `npy`, `matlab`, `hdf5`, `netcdf`, `zarr_stores`)
whose function `cube(path, key)` returns a `Cube`: what the file says, and a function that reads a
window. They share `cube` (that value, and units of wavelengths), `arrays` (which array of a file),
`raw` (plain numbers in a file) and `cf` (named arrays by the CF conventions). `band_statistics` and
`info` describe the values of a scene.
"""
