"""A model with random weights, for maps of products: which classes it gives does not matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from spectrolite.bundles.scene_bundle import Bundle, Config
from spectrolite.data.labels import default_colour
from spectrolite.models import build_scene_model
from spectrolite.samples.band_reduction import Bands


def random_model(wavelengths_nm: Sequence[float]) -> Bundle:
    """A bundle of MobileSN with three classes, for bands of these wavelengths."""
    ids, count = (1, 2, 3), len(wavelengths_nm)
    network = build_scene_model(
        "mobilesn",
        bands=4,
        classes=3,
        generator=torch.Generator().manual_seed(0),
        width=0.5,
        receptive_field=13,
    )
    config = Config(
        format=1,
        model="mobilesn",
        variant="plain",
        patch=13,
        class_ids=ids,
        class_names={i: f"class {i}" for i in ids},
        class_colours={i: default_colour(i) for i in ids},
        fitted_on="scene",
        pixels=1,
        explained=1.0,
        wavelengths_nm=tuple(wavelengths_nm),
        scaled=True,
    )
    matrix = np.random.default_rng(0).normal(size=(4, count))
    return Bundle(config, Bands(np.full(count, 0.2), matrix, "scene", 1, 1.0), network.eval())
