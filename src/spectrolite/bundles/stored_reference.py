"""`similarity.safetensors` in a bundle: the training spectra that a map can be compared with.

It lies beside the weights, not among them: a bundle without it works, and its hash is the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from spectrolite.errors import RunError
from spectrolite.files import whole_file
from spectrolite.samples.reference_spectra import AT_MOST, Reference

FILE = "similarity.safetensors"
MOST_BYTES = 64 << 20


def write_reference(folder: Path, reference: Reference) -> None:
    """Write it into the folder of a bundle, whole or not at all."""
    arrays = {"spectra": reference.spectra, "distances": reference.distances}
    with whole_file(folder / FILE) as part:
        part.write_bytes(save(arrays, metadata={"apart": reference.apart}))


def read_reference(folder: Path, components: int) -> Reference | None:
    """Read it from the folder of a bundle; None if there is none, as in those of version 0.1.

    Raises:
        RunError: damaged, or of a network with another number of components.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ValueError(f"{size:,} bytes")
        with safe_open(path, "np") as file:
            spectra, distances = file.get_tensor("spectra"), file.get_tensor("distances")
            apart = (file.metadata() or {}).get("apart")
        if not (spectra.dtype == distances.dtype == np.float32):
            raise ValueError(f"{spectra.dtype} and {distances.dtype}, wanted float32")
        if spectra.ndim != 2 or spectra.shape[1] != components or distances.ndim != 1:
            raise ValueError(f"shapes {spectra.shape} and {distances.shape}")
        if not (0 < len(spectra) <= AT_MOST and 0 < len(distances) <= AT_MOST):
            raise ValueError(f"{len(spectra)} spectra and {len(distances)} distances")
        if not (np.isfinite(spectra).all() and np.isfinite(distances).all()):
            raise ValueError("NaN or infinite values")
        if (np.diff(distances) < 0).any() or apart not in ("fields", "pixels"):
            raise ValueError("distances that do not ascend, or are of an unknown kind")
    except (OSError, SafetensorError, ValueError) as error:
        raise RunError(f"{path}: damaged ({error}); train again") from error
    return Reference(spectra, distances, apart)
