"""Train, evaluate and report runs on scenes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spectrolite.bundles.scene_bundle import FORMAT as BUNDLE_FORMAT
from spectrolite.bundles.scene_bundle import Bundle, Config, trained_bundle
from spectrolite.changes import changed_together
from spectrolite.data.scene_sets import AnyLabels, AnyScenes, SceneSet
from spectrolite.errors import SceneError, SettingsError, SplitError
from spectrolite.evaluation.baselines import measure_baselines
from spectrolite.evaluation.calibration import fitted_temperature
from spectrolite.evaluation.reports import Report
from spectrolite.evaluation.scene_report import flip_figures, make_report
from spectrolite.files import write_text
from spectrolite.machine import threads_of
from spectrolite.mapping.scene_inference import classify_scene
from spectrolite.mapping.scene_map import SceneMap, maps_sha256, read_map
from spectrolite.models import SceneNetwork, build_scene_model, costs
from spectrolite.pages import scene_page
from spectrolite.pages.model_card import write_card
from spectrolite.readers.scenes.tiles import of_tiles
from spectrolite.runs.manifest import (
    MANIFEST,
    PAGE,
    Manifest,
    Pruned,
    SceneTraining,
    scene_training,
)
from spectrolite.runs.resumable_run import EpochListener, fit_resumably, new_run, seeds
from spectrolite.runs.run_files import files_added, write_manifest
from spectrolite.runs.run_folder import SceneRun
from spectrolite.samples.band_reduction import Bands, Reduced, fit_bands, reduce_scenes
from spectrolite.samples.reference_spectra import noted, reference_spectra
from spectrolite.samples.split_scene import Split
from spectrolite.training.keywords import keywords_for, settings
from spectrolite.training.loop import Epoch
from spectrolite.training.scene_loop import fit_scene, validation_logits
from spectrolite.training.settings import Settings, TrainingSettings

# Notes on bands that a run stores by number; a scene that is read again has none.
ONCE = ("without any value left out", "since some lack them")


def train_scene(
    scene: AnyScenes,
    labels: AnyLabels,
    split: Split,
    *,
    model: str,
    seed: int,
    out: str | Path,
    overwrite: bool,
    resume: bool,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
    **flags: Any,
) -> SceneRun:
    """`train` on scenes; see there."""
    stages: Settings = settings(model=model, **keywords_for(model, flags, scene.bands, scene.name))
    _check(scene, labels, split)
    if stages.training.calibrate and not len(split.validation):
        raise SettingsError(
            "--calibrate: the temperature needs a validation part; add validation=0.1 to --split"
        )
    weights, order, dropout, evaluation = seeds(seed)
    training = scene_training(scene, labels, split, stages, seed)
    with new_run(Path(out), training, split, overwrite=overwrite, resume=resume) as stopped:
        assert isinstance(stopped.manifest, SceneTraining)  # new_run has checked it
        on_stage("reducing bands")
        net = build_scene_model(
            model,
            bands=stages.bands.components or scene.bands,
            classes=len(labels.class_ids),
            **stages.model.shape,
            generator=torch.Generator().manual_seed(weights),
        )
        patch = 2 * net.halo + 1
        _check_size(scene, patch, model)
        bands = fit_bands(
            scene,
            split,
            stages.bands.components,
            stages.bands.bands_from,
            stages.bands.standardise,
            patch,
            stages.bands.reduction,
        )
        reduced = reduce_scenes(bands, scene)
        on_stage("training")
        inputs, spectra = noted(reduced, split, evaluation)
        fit = partial(fit_scene, net, inputs, split, stages.training, order, dropout)
        log = fit_resumably(stopped, net, fit, stages.training.epochs, on_epoch)
        config = _config(scene, labels, bands, stages, patch)
        if stages.training.calibrate:
            config = calibrated(config, net, reduced, split, stages.training)
        reference = reference_spectra(spectra, split, patch)
        bundle = trained_bundle(config, bands, net, reference)
        bundle.save(stopped.path / "bundle")
        _, manifest = _evaluate(
            stopped.path,
            stopped.manifest,
            bundle,
            log,
            scene,
            split,
            reduced,
            on_stage,
            training_s=round(log[-1].elapsed_s, 3),
        )
    return SceneRun(Path(out), manifest)


def evaluate_scene(run: SceneRun, scene: AnyScenes, labels: AnyLabels, *, flips: bool) -> Report:
    """`evaluate` of a run on scenes; see there."""
    with threads_of(run.manifest.machine):
        report, _ = _evaluate(
            run.path,
            run.manifest,
            run.bundle,
            run.log(),
            scene,
            run.split(labels),
            reduce_scenes(run.bundle.bands, scene),
            training_s=run.manifest.training_s,
            pruned=run.manifest.pruned,
            flips=flips,
        )
    return report


def report_scene(run: SceneRun, scene: AnyScenes, labels: AnyLabels) -> Path:
    """`report` of a run on scenes; see there."""
    split, maps, log = run.split(labels), read_maps(run), run.log()
    with files_added(run.path) as following:
        _write_page(following, run.report, scene, split, maps, log)
    return run.path / PAGE


def map_places(run: Path, names: Sequence[str]) -> list[Path]:
    """Where the maps of a run are: `map.tif`, or of several scenes `maps/NAME.tif`."""
    return [run / "maps" / f"{name}.tif" for name in names] or [run / "map.tif"]


def read_maps(run: SceneRun) -> list[SceneMap]:
    """The maps of a run's scenes, in their order.

    Raises:
        ReadError: a file is missing or damaged.
        RunError: the report, which names the scenes, is missing or damaged.
    """
    places = map_places(run.path, [scene.name for scene in run.report.scenes])
    return [read_map(place, run.bundle) for place in places]


def _check(scene: AnyScenes, labels: AnyLabels, split: Split) -> None:
    """Refuse labels and a split that do not belong to the scenes."""
    if len(labels.parts) != len(scene.scenes):
        raise SettingsError(
            f"train: wanted labels for each of {len(scene.scenes)} scenes, got those of "
            f"{len(labels.parts)}; take both from several(scenes, labels)"
        )
    pairs = zip(labels.parts, scene.scenes, strict=True)
    if any(part.on(one) is not part for part, one in pairs):
        raise SplitError(
            f"{labels.name}: labels on pixels without a spectrum in {scene.name}; leave them out "
            "before the split is drawn: labels = labels.on(scene)"
        )
    if split.labels is not labels and split.labels.sha256 != labels.sha256:
        raise SplitError("split: drawn from other labels than those given; draw it from these")


def _check_size(scene: AnyScenes, patch: int, model: str) -> None:
    """Refuse a scene that is smaller than a patch."""
    for one in scene.scenes:
        if min(one.shape[:2]) < patch:
            raise SceneError(
                f"{one.name}: {one.shape[0]} x {one.shape[1]} pixels are smaller than the "
                f"{patch} x {patch} patch of {model}"
            )


def _evaluate(
    folder: Path,
    training: SceneTraining,
    bundle: Bundle,
    log: list[Epoch],
    scene: AnyScenes,
    split: Split,
    reduced: list[Reduced],
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    training_s: float,
    pruned: tuple[Pruned, ...] = (),
    flips: bool = False,
) -> tuple[Report, Manifest]:
    """Map the scenes, score the maps, and write report, card, page, maps and manifest."""
    device = training.settings.training.device
    evaluation = seeds(training.seed)[3]
    on_stage("baselines")
    start = time.perf_counter()
    leakage = split.leakage(bundle.config.patch)
    baselines = measure_baselines(reduced, split, leakage, np.random.default_rng(evaluation))
    baselines_s = time.perf_counter() - start
    on_stage("mapping")
    start = time.perf_counter()
    maps = [classify_scene(bundle, one, device=device) for one in scene.scenes]
    map_s = time.perf_counter() - start
    of_flips = None
    if flips:
        start = time.perf_counter()
        averaged = [classify_scene(bundle, one, device=device, flips=True) for one in scene.scenes]
        of_flips = flip_figures(_classes(averaged), split, time.perf_counter() - start)
    times_s = {"training": training_s, "baselines": baselines_s, "map": map_s}
    report = make_report(
        _classes(maps),
        split,
        bundle.bands,
        leakage,
        baselines,
        training.settings,
        np.random.default_rng(evaluation),
        len(log),
        _of_files(scene),
        data=scene.name,
        seed=training.seed,
        parameters=costs.parameters(bundle.network),
        macs_per_pixel=costs.macs_per_pixel(bundle.network, len(bundle.bands.matrix)),
        macs_per_patch=costs.macs_per_patch(bundle.network, len(bundle.bands.matrix)),
        times_s={k: round(v, 3) for k, v in times_s.items()},
        versions=training.versions,
        machine=training.machine,
        flips=of_flips,
    )
    added = (*_on_temperature(training.settings.training, bundle, split), *(p.note for p in pruned))
    report = report.model_copy(update={"notes": (*report.notes, *added)})
    manifest = training.finished(
        weights_sha256=bundle.sha256,
        training_s=training_s,
        map_sha256=maps_sha256(maps),
        figures_sha256=report.figures_sha256,
        pruned=pruned,
    )
    with changed_together(folder, MANIFEST) as following:
        report.save(following / "report.json")
        if bundle.config.caveat != report.learned_nothing:
            config = bundle.config.model_copy(update={"caveat": report.learned_nothing})
            replace(bundle, config=config).save(following / "bundle")
        write_card(report, bundle.sha256, following / "bundle")
        places = map_places(following, [s.name for s in report.scenes])
        for one, place in zip(maps, places, strict=True):
            one.write_geotiff(place)
            one.write_png(place.with_suffix(".png"))
        _write_page(following, report, scene, split, maps, log)
        manifest = write_manifest(manifest, folder, following)
    if isinstance(scene, SceneSet):  # the files may have had other names before
        for path in (folder / "maps").iterdir():
            if path.is_file() and f"maps/{path.name}" not in (manifest.files_sha256 or {}):
                path.unlink()
    return report, manifest


def calibrated(
    config: Config,
    net: SceneNetwork,
    reduced: Sequence[Reduced],
    split: Split,
    training: TrainingSettings,
) -> Config:
    """The config with the temperature of the validation part, or without one if it tells none."""
    logits, truth = validation_logits(net, reduced, split, training)
    temperature = fitted_temperature(logits.numpy(), truth.numpy())
    return config.model_copy(update={"temperature": temperature})


def _on_temperature(training: TrainingSettings, bundle: Bundle, split: Split) -> tuple[str, ...]:
    """What to say of the temperature, if one was asked for."""
    if not training.calibrate:
        return ()
    pixels = f"the {len(split.validation):,} validation pixels"
    if bundle.config.temperature is None:
        return (
            f"The confidence is not calibrated: all of {pixels} are right, so they tell no "
            "temperature.",
        )
    return (
        f"The confidence is calibrated on {pixels}: the logits are divided by the temperature "
        f"{bundle.config.temperature:.3g}.",
    )


def _of_files(scene: AnyScenes) -> list[str]:
    """What was left out of satellite products, and how tiles lie; for several, with their names."""
    several = len(scene.scenes) > 1
    return [
        f"{one.name}: {note}" if several else note
        for one in scene.scenes
        for note in (
            one.notes if one.source.get("product", "none") != "none" else of_tiles(one.notes)
        )
        if not any(words in note for words in ONCE)
    ]


def _classes(maps: Sequence[SceneMap]) -> NDArray[np.unsignedinteger]:
    """`(pixels,)` class ids of all scenes, in their order."""
    return np.concatenate([one.classes.ravel() for one in maps])


def _write_page(
    folder: Path,
    report: Report,
    scene: AnyScenes,
    split: Split,
    maps: list[SceneMap],
    log: list[Epoch],
) -> None:
    write_text(folder / PAGE, scene_page.report_page(report, scene, split, maps, log))


def _config(
    scene: AnyScenes, labels: AnyLabels, bands: Bands, stages: Settings, patch: int
) -> Config:
    return Config(
        format=BUNDLE_FORMAT,
        model=stages.model.model,
        variant=stages.model.variant,
        width=stages.model.width,
        patch=patch,
        class_ids=labels.class_ids,
        class_names=dict(labels.class_names),
        class_colours=dict(labels.class_colours),
        fitted_on=bands.fitted_on,
        pixels=bands.pixels,
        explained=bands.explained,
        wavelengths_nm=scene.wavelengths_nm,
        scaled="scale" in scene.scenes[0].source,
    )
