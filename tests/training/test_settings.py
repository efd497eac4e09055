"""Settings: what is set, what is refused, and whether the message names the flag.

References: the facts of the published trainings for the defaults, JSON for the round trip; ranges
are probed from both sides of each limit.
"""

from __future__ import annotations

import json
import sys
from inspect import signature
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pydantic import ValidationError

from spectrolite.errors import InputError, SettingsError
from spectrolite.models import IMAGE_MODELS, MODELS, SCENE_MODELS
from spectrolite.training.defaults import (
    DEFAULTS,
    IMAGE_NETWORKS,
    PATCH_EPOCHS,
    SCENE_NETWORKS,
    VARIANTS,
)
from spectrolite.training.keywords import checked_settings, flat_settings, settings
from spectrolite.training.settings import (
    IMAGE_STAGES,
    STAGES,
    BandSettings,
    ImageSettings,
    SceneModelSettings,
    Settings,
    Stage,
    TrainingSettings,
    setting_fields,
)

ALL_STAGES = (*STAGES.values(), *IMAGE_STAGES.values())


def _manifest(**stages: Any) -> dict[str, Any]:
    """All stages as a manifest holds them, but for those given."""
    return {"model": {}, "bands": {}, "training": {}, **stages}


def test_defaults() -> None:
    made = settings()
    assert made.model == SceneModelSettings(model="hybridsn", variant="course")
    assert (made.bands.components, made.bands.bands_from) == (30, "train")
    training = made.training
    assert (training.mode, training.epochs, training.schedule) == ("dense", 130, "one_cycle")
    assert (training.learning_rate, training.weight_decay, training.rise) == (3e-3, 1e-2, 0.2)
    assert (training.class_weights, training.patience, training.device) == ("none", None, "auto")


@pytest.mark.parametrize(
    ("values", "epochs"),
    [
        ({}, 130),
        ({"mode": "dense"}, 130),
        ({"mode": "patches"}, 100),
        ({"mode": "patches", "epochs": None}, 100),
        ({"mode": "patches", "epochs": 7}, 7),
        ({"epochs": 1}, 1),
    ],
)
def test_epochs_follow_the_mode_unless_given(values: dict[str, Any], epochs: int) -> None:
    assert settings(**values).training.epochs == epochs
    assert checked_settings(_manifest(training=values)).training.epochs == epochs
    assert TrainingSettings.model_validate(values).epochs == epochs


@pytest.mark.parametrize(
    ("values", "variant"),
    [
        ({}, "course"),
        ({"model": "hybridsn"}, "course"),
        ({"variant": None}, "course"),
        ({"model": "mobilenet_v1"}, "paper"),
        ({"model": "mobilenet_v2", "variant": None}, "paper"),
        ({"model": "mobilenet_v2", "variant": "course"}, "course"),
    ],
)
def test_the_variant_is_the_models_own_unless_given(values: dict[str, Any], variant: str) -> None:
    assert settings(**values).model.variant == variant
    stages: dict[str, Any] = {
        key: {} for key in (IMAGE_STAGES if "mobilenet" in str(values) else STAGES)
    }
    assert checked_settings({**stages, "model": values}).model.variant == variant
    assert json.loads(settings(**values).model_dump_json())["model"]["variant"] == variant


def test_the_table_of_defaults_is_about_the_networks_that_there_are() -> None:
    """The table repeats the names so that help needs no torch: here both are compared."""
    assert tuple(SCENE_MODELS) == SCENE_NETWORKS
    assert tuple(IMAGE_MODELS) == IMAGE_NETWORKS
    assert list(DEFAULTS) == list(VARIANTS) == list(MODELS)
    for name, network in MODELS.items():
        assert VARIANTS[name] == sys.modules[network.__module__].VARIANTS
        assert signature(network).parameters["variant"].default == DEFAULTS[name]["variant"]
        assert set(DEFAULTS[name]) <= set(flat_settings(settings(model=name)))
        shape = {"width", "receptive_field"} & set(signature(network).parameters)
        assert shape == {"width", "receptive_field"} & set(DEFAULTS[name])


def test_the_table_of_defaults_is_what_settings_gives() -> None:
    for name, defaults in DEFAULTS.items():
        flat = flat_settings(settings(model=name))
        assert {key: flat[key] for key in defaults} == defaults


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"model": "hybridns"},
            "--model: wanted one of hybridsn, mobilesn, mobilenet_v1, mobilenet_v2, "
            "got 'hybridns'; did you mean hybridsn?",
        ),
        (
            {"variant": "corse"},
            "--variant: hybridsn: wanted one of course, paper, got 'corse'; did you mean course?",
        ),
        (
            {"reduction": "pcaa"},
            "--reduction: wanted 'pca' or 'mnf', got 'pcaa'; did you mean pca?",
        ),
        (
            {"model": "mobilesn", "width": 9},
            "--width: wanted a number less than or equal to 8, got 9",
        ),
        (
            {"model": "mobilenet_v1", "batch": 1},
            "--batch: wanted 2 or more images, got 1",
        ),
    ],
)
def test_a_misspelt_value_is_refused_with_the_name_that_was_meant(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    assert str(caught.value) == message


def test_every_setting_has_a_description_and_one_home() -> None:
    for name, field in setting_fields().items():
        homes = [s.model_fields[name] for s in ALL_STAGES if name in s.model_fields]
        assert field.description, name
        assert field.description.endswith("."), name
        assert {home.description for home in homes} == {field.description}, name


def test_flat_keywords_find_their_stage() -> None:
    made = settings(variant="paper", components=15, standardise=True, batch=64, patience=3)
    assert made.model.variant == "paper"
    assert made.bands == BandSettings.model_validate({"components": 15, "standardise": True})
    assert (made.training.batch, made.training.patience) == (64, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"components": 0},
            "--components: wanted 1 or more with --reduction mnf, got 0; "
            "--reduction pca keeps all bands",
        ),
        (
            {"standardise": True},
            "--standardise: changes nothing with --reduction mnf; leave it out",
        ),
    ],
)
def test_what_does_not_go_with_the_minimum_noise_fraction_is_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(reduction="mnf", **values)
    assert str(caught.value) == message
    assert settings(**values).bands.reduction == "pca"


def test_the_reduction_is_stored_where_it_is_not_the_default() -> None:
    assert "reduction" not in settings().model_dump()["bands"]
    made = settings(reduction="mnf")
    assert made.model_dump()["bands"]["reduction"] == "mnf"
    assert checked_settings(json.loads(made.model_dump_json())) == made


def test_no_two_stages_share_a_name() -> None:
    names = [name for stage in STAGES.values() for name in stage.model_fields]
    assert len(names) == len(set(names))
    assert set(STAGES) == set(Settings.model_fields)


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError) as caught:
        settings(epoch=3)
    assert str(caught.value) == (
        "epoch: unknown setting; wanted one of model, variant, width, receptive_field, "
        "components, reduction, bands_from, standardise, epochs, optimiser, momentum, "
        "learning_rate, weight_decay, decay_on, "
        "schedule, rise, label_smoothing, class_weights, ema, batch, patience, device, mode, "
        "flips, window, calibrate; did you mean epochs?"
    )


@pytest.mark.parametrize(
    ("stages", "flag"),
    [
        ({"training": {"learning_rte": 1}}, "--learning-rte"),
        ({"bands": {"epochs": 1}}, "--epochs"),
        ({"trainig": {}}, "--trainig"),
    ],
)
def test_an_unknown_key_of_a_manifest_is_an_error(stages: dict[str, Any], flag: str) -> None:
    with pytest.raises(SettingsError, match=f"^{flag}: Extra inputs are not permitted, got "):
        checked_settings(_manifest(**stages))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("components", -1, "--components: wanted a number greater than or equal to 0, got -1"),
        (
            "bands_from",
            "test",
            "--bands-from: wanted 'train', 'patches' or 'scene', got 'test'",
        ),
        ("mode", "tiles", "--mode: wanted 'dense' or 'patches', got 'tiles'"),
        ("epochs", 0, "--epochs: wanted a number greater than or equal to 1, got 0"),
        ("learning_rate", 0, "--learning-rate: wanted a number greater than 0, got 0"),
        (
            "weight_decay",
            -0.1,
            "--weight-decay: wanted a number greater than or equal to 0, got -0.1",
        ),
        (
            "schedule",
            "step",
            "--schedule: wanted 'one_cycle', 'cosine' or 'constant', got 'step'",
        ),
        ("rise", 0, "--rise: wanted a number greater than 0, got 0"),
        ("rise", 1.0, "--rise: wanted a number less than 1, got 1.0"),
        ("label_smoothing", 1.0, "--label-smoothing: wanted a number less than 1, got 1.0"),
        (
            "class_weights",
            "sqrt",
            "--class-weights: wanted 'none' or 'balanced', got 'sqrt'",
        ),
        ("window", 15, "--window: wanted a number greater than or equal to 16, got 15"),
        ("batch", 0, "--batch: wanted a number greater than or equal to 1, got 0"),
        ("patience", 0, "--patience: wanted a number greater than or equal to 1, got 0"),
    ],
)
def test_out_of_range_names_the_flag(key: str, value: object, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{key: value})
    assert str(caught.value) == message
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, ValueError)
    stage = next(name for name, kind in STAGES.items() if key in kind.model_fields)
    with pytest.raises(SettingsError) as nested:
        checked_settings(_manifest(**{stage: {key: value}}))
    assert str(nested.value) == message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("components", 0),
        ("epochs", 1),
        ("learning_rate", 1e-12),
        ("weight_decay", 0.0),
        ("rise", 0.999),
        ("label_smoothing", 0.0),
        ("window", 16),
        ("batch", 1),
        ("patience", 1),
        ("patience", None),
        ("device", "cpu"),
        ("device", "cuda"),
        ("device", "cuda:3"),
        ("device", "mps"),
        ("schedule", "constant"),
        ("class_weights", "balanced"),
        ("bands_from", "scene"),
        ("flips", False),
    ],
)
def test_the_limits_themselves_are_allowed(key: str, value: object) -> None:
    dumped = settings(**{key: value}).model_dump()
    assert [stage[key] for stage in dumped.values() if key in stage] == [value]


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", "", "cpu ", "xcpu"])
def test_unknown_devices_are_refused(device: str) -> None:
    with pytest.raises(SettingsError, match=r"^--device: String should match pattern"):
        settings(device=device)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "key",
    [
        "learning_rate",
        "weight_decay",
        "rise",
        "label_smoothing",
        "components",
        "epochs",
        "window",
        "batch",
        "patience",
    ],
)
def test_nan_and_infinities_are_in_no_range(key: str, value: float) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{key: value})
    flag = key.replace("_", "-")
    assert str(caught.value) == f"--{flag}: wanted a finite number, got {value}"


@pytest.mark.parametrize("mode", [[], {}, ["dense"], {"dense": 1}, None, 3])
def test_a_mode_that_is_no_text_is_refused_and_named(mode: object) -> None:
    """Lists and dictionaries too, though they are no keys of the table of epochs."""
    expected = f"--mode: wanted 'dense' or 'patches', got {mode!r}"
    with pytest.raises(SettingsError) as caught:
        settings(mode=mode)
    assert str(caught.value) == expected
    with pytest.raises(SettingsError) as nested:
        checked_settings(_manifest(training={"mode": mode}))
    assert str(nested.value) == expected


@pytest.mark.parametrize(("key", "value"), [("epochs", 2.5), ("epochs", "many"), ("model", 3)])
def test_values_of_another_kind_are_refused(key: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"^--{key}: wanted a valid "):
        settings(**{key: value})


def test_a_stage_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^--training: wanted a valid dictionary"):
        checked_settings(_manifest(training=[1]))


@pytest.mark.parametrize("stages", [[1], None, 3, "training", [("training", {})]])
def test_stages_that_are_no_mapping_are_refused(stages: Any) -> None:
    with pytest.raises(SettingsError, match="settings: wanted a valid dictionary") as caught:
        checked_settings(stages)
    assert str(caught.value).endswith(f", got {stages!r}")


@pytest.mark.parametrize("stage", ["model", "bands", "training"])
def test_every_stage_is_needed(stage: str) -> None:
    stages = _manifest()
    del stages[stage]
    with pytest.raises(SettingsError, match=f"^--{stage}: Field required, got "):
        checked_settings(stages)


def test_settings_are_frozen() -> None:
    made = settings()
    with pytest.raises(ValidationError, match="frozen"):
        made.training.epochs = 3


@profile(deadline=None)
@given(
    components=st.integers(0, 300),
    mode=st.sampled_from(["dense", "patches"]),
    epochs=st.none() | st.integers(1, 1000),
    learning_rate=st.floats(1e-6, 10),
    patience=st.none() | st.integers(1, 50),
    flips=st.booleans(),
)
def test_round_trip(**values: Any) -> None:
    """Through a dictionary and through a manifest's JSON nothing is lost."""
    made = settings(**values)
    assert checked_settings(made.model_dump()) == made
    assert checked_settings(json.loads(made.model_dump_json())) == made


# Scenes and images

OLD: dict[str, dict[str, Any]] = {
    "model": {"model": "hybridsn", "variant": "course"},
    "bands": {"components": 30, "bands_from": "train", "standardise": False},
    "training": {
        "mode": "dense",
        "epochs": 130,
        "learning_rate": 0.003,
        "weight_decay": 0.01,
        "schedule": "one_cycle",
        "rise": 0.2,
        "label_smoothing": 0.05,
        "class_weights": "none",
        "flips": True,
        "window": 256,
        "batch": 128,
        "patience": None,
        "device": "auto",
    },
}


def test_settings_stored_before_there_were_images_are_read_and_stored_as_they_were() -> None:
    """A report's hash covers its settings: what is new may stand there only where it is used."""
    made = checked_settings(OLD)
    assert made == settings()
    assert (made.training.optimiser, made.training.ema) == ("adamw", 0.0)
    assert made.model_dump() == OLD
    other = settings(optimiser="sgd", momentum=0.8, ema=0.5, decay_on="kernels").model_dump()
    assert other["training"] == {
        **OLD["training"],
        "optimiser": "sgd",
        "momentum": 0.8,
        "ema": 0.5,
        "decay_on": "kernels",
        "learning_rate": 0.05,
        "weight_decay": 5e-4,
    }


def test_defaults_of_images() -> None:
    made = settings(model="mobilenet_v2")
    assert isinstance(made, ImageSettings)
    assert (made.model.width, made.model.activation, made.model.small_images) == (1, "relu6", True)
    assert (made.augmentation.pad, made.augmentation.mirror) == (4, "alternating")
    training = made.training
    assert (training.optimiser, training.momentum, training.decay_on) == ("sgd", 0.9, "kernels")
    assert (training.epochs, training.batch, training.schedule) == (10, 128, "one_cycle")
    assert (training.label_smoothing, training.ema) == (0.1, 0.999)


@pytest.mark.parametrize(
    ("model", "optimiser", "rate", "decay"),
    [
        ("hybridsn", "adamw", 3e-3, 1e-2),
        ("hybridsn", "adam", 3e-3, 0.0),
        ("hybridsn", "sgd", 0.05, 5e-4),
        ("mobilenet_v1", "sgd", 0.2, 5e-4),
        ("mobilenet_v1", "adam", 1e-3, 0.0),
        ("mobilenet_v1", "adamw", 3e-3, 1e-2),
    ],
)
def test_rate_and_decay_suit_the_optimiser_unless_given(
    model: str, optimiser: str, rate: float, decay: float
) -> None:
    made = settings(model=model, optimiser=optimiser).training
    assert (made.learning_rate, made.weight_decay) == (rate, decay)
    given = settings(model=model, optimiser=optimiser, learning_rate=0.5, weight_decay=0).training
    assert (given.learning_rate, given.weight_decay) == (0.5, 0)


def _only_in(own: dict[str, type[Stage]], others: dict[str, type[Stage]]) -> list[str]:
    """Settings of one kind that the other kind does not have."""
    shared = {key for stage in others.values() for key in stage.model_fields}
    return [key for stage in own.values() for key in stage.model_fields if key not in shared]


def test_which_settings_only_one_kind_has() -> None:
    assert _only_in(STAGES, IMAGE_STAGES) == [
        "receptive_field",
        "components",
        "reduction",
        "bands_from",
        "standardise",
        "mode",
        "flips",
        "window",
        "calibrate",
    ]
    assert _only_in(IMAGE_STAGES, STAGES) == [
        "activation",
        "small_images",
        "pad",
        "fill",
        "mirror",
        "cutout",
        "mixup",
    ]


@pytest.mark.parametrize("key", _only_in(STAGES, IMAGE_STAGES))
def test_what_does_not_go_with_images_names_the_flag(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(model="mobilenet_v1", **{key: 1})
    assert str(caught.value) == (
        f"--{key.replace('_', '-')}: does not go with mobilenet_v1, which classifies images; "
        "leave it out"
    )


@pytest.mark.parametrize("key", _only_in(IMAGE_STAGES, STAGES))
def test_what_does_not_go_with_scenes_names_the_flag(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{key: 1})
    assert str(caught.value) == (
        f"--{key.replace('_', '-')}: does not go with hybridsn, which classifies scenes; "
        "leave it out"
    )


@profile(deadline=None)
@given(
    model=st.sampled_from(["mobilenet_v1", "mobilenet_v2"]),
    optimiser=st.sampled_from(["sgd", "adam", "adamw"]),
    mirror=st.sampled_from(["alternating", "random", "none"]),
    pad=st.integers(0, 9),
    mixup=st.floats(0, 5),
    ema=st.floats(0, 0.9999),
    epochs=st.none() | st.integers(1, 400),
)
def test_round_trip_of_images(**values: Any) -> None:
    made = settings(**values)
    assert checked_settings(json.loads(made.model_dump_json())) == made
    assert settings(**flat_settings(made)) == made


@profile(deadline=None)
@given(
    receptive_field=st.none() | st.integers(0, 12).map(lambda halo: 2 * halo + 1),
    width=st.none() | st.floats(0.05, 8),
    components=st.none() | st.integers(1, 60),
    reduction=st.none() | st.sampled_from(["pca", "mnf"]),
    epochs=st.none() | st.integers(1, 400),
    mode=st.none() | st.sampled_from(["dense", "patches"]),
    decay_on=st.none() | st.sampled_from(["all", "kernels"]),
)
def test_round_trip_of_mobilesn(**flags: Any) -> None:
    values = {key: value for key, value in flags.items() if value is not None}
    made = settings(model="mobilesn", **values)
    assert checked_settings(json.loads(made.model_dump_json())) == made
    assert settings(**flat_settings(made)) == made
    for key, value in values.items():
        assert flat_settings(made)[key] == value


def test_defaults_that_are_mobilesns_own() -> None:
    made, other = settings(model="mobilesn"), settings()
    assert made.model.shape == {"variant": "plain", "width": 0.9, "receptive_field": 25}
    assert other.model.shape == {"variant": "course"}
    differ = {
        key: value
        for stage in ("bands", "training")
        for key, value in getattr(made, stage).model_dump().items()
        if value != getattr(other, stage).model_dump().get(key)
    }
    assert differ == {
        "reduction": "mnf",
        "bands_from": "patches",
        "epochs": 100,
        "learning_rate": 1e-2,
    }
    assert made.bands.components == 30
    assert settings(model="mobilesn", mode="patches").training.epochs == PATCH_EPOCHS
    assert settings(model="mobilesn", components=60).bands.components == 60
    assert settings(model="mobilesn", reduction="pca").bands.reduction == "pca"
    for flags in ({"mode": "patches"}, {"optimiser": "sgd"}):  # the rate is that of the others
        rate = settings(model="mobilesn", **flags).training.learning_rate
        assert rate == settings(**flags).training.learning_rate


def test_what_hybridsn_stores_has_no_width_and_no_field() -> None:
    assert settings().model.model_dump() == {"model": "hybridsn", "variant": "course"}


@pytest.mark.parametrize("key", ["width", "receptive_field"])
def test_a_shape_that_is_fixed_is_refused(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{key: 1})
    assert str(caught.value) == (
        f"--{key.replace('_', '-')}: does not go with hybridsn, where it is fixed; leave it out"
    )
