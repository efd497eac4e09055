"""Defaults for few images, against numbers written down; what is given never changes."""

from __future__ import annotations

from typing import Any

import pytest

from spectrolite.training.few_images import defaults_for_few

V1, V2 = "mobilenet_v1", "mobilenet_v2"


@pytest.mark.parametrize(
    ("model", "given", "images", "wanted"),
    [
        # 3 batches of 16, and 84 * 3 = 252 steps; 0.2 * 16 / 128
        (V2, {}, 43, {"batch": 16, "epochs": 84, "learning_rate": 0.025}),
        # 2 batches of at most 32, and 200 * 2 = 400 steps
        (
            V1,
            {},
            43,
            {"batch": 32, "epochs": 200, "optimiser": "adamw", "learning_rate": 0.01},
        ),
        # 500 // 8 = 62 images; 9 batches; 28 * 9 = 252 steps; 0.2 * 62 / 128
        (V2, {}, 500, {"batch": 62, "epochs": 28, "learning_rate": 0.096875}),
        # what is given stays, and the rate follows the batch that is given
        (V2, {"epochs": 15}, 43, {"epochs": 15, "batch": 16, "learning_rate": 0.025}),
        (V2, {"batch": 64}, 43, {"batch": 64, "epochs": 250, "learning_rate": 0.1}),
        # a rate that was given is SGD's: the optimiser stays
        (V1, {"learning_rate": 0.1}, 43, {"batch": 32, "epochs": 200, "learning_rate": 0.1}),
        (V2, {"optimiser": "adam"}, 43, {"optimiser": "adam", "batch": 16, "epochs": 84}),
        # two images are one batch
        (V2, {}, 2, {"batch": 16, "epochs": 250, "learning_rate": 0.025}),
        # enough images: nothing changes
        (V1, {}, 1024, {}),
        (V2, {"width": 0.5, "epochs": None}, 45_000, {"width": 0.5}),
    ],
)
def test_defaults_follow_the_number_of_images(
    model: str, given: dict[str, Any], images: int, wanted: dict[str, Any]
) -> None:
    assert defaults_for_few(model, given, images) == wanted
