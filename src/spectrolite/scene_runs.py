"""Runs on scenes: what `runs` does with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectrolite import costs, pages
from spectrolite.bands import Bands, fit_bands
from spectrolite.baselines import Baselines, measure_baselines
from spectrolite.bundles import FORMAT as BUNDLE_FORMAT
from spectrolite.bundles import Bundle, Config
from spectrolite.errors import SceneError, SplitError
from spectrolite.files import whole_file
from spectrolite.labels import Labels
from spectrolite.leakage import Leakage
from spectrolite.mapping import classify
from spectrolite.model_cards import write_card
from spectrolite.models import build_scene_model
from spectrolite.reports import Report, flip_figures, make_report
from spectrolite.run_folders import Run, open_run, threads_of, what_is_known, write_json
from spectrolite.run_training import EpochListener, fit_in, seeds
from spectrolite.scene import Scene
from spectrolite.scene_maps import SceneMap, read_map
from spectrolite.settings import Settings, settings
from spectrolite.splits import Split
from spectrolite.training import fit_scene
from spectrolite.unfinished import growing


def train_scene(
    scene: Scene,
    labels: Labels,
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
) -> Run:
    """`train` of a scene; see there."""
    chosen: Settings = settings(model=model, **flags)
    if labels.on(scene) is not labels:
        raise SplitError(
            f"{labels.name}: labels on pixels without a spectrum in {scene.name}; leave them out "
            "before the split is drawn: labels = labels.on(scene)"
        )
    if split.labels is not labels and split.labels.sha256 != labels.sha256:
        raise SplitError("split: drawn from other labels than those given; draw it from these")
    weights, order, dropout, judge = seeds(seed)
    known = what_is_known(scene, labels, split, chosen, seed)
    with growing(Path(out), known, split, overwrite=overwrite, resume=resume) as stopped:
        folder = stopped.path
        on_stage("reducing bands")
        net = build_scene_model(
            model,
            bands=chosen.bands.components or scene.shape[2],
            classes=len(labels.class_ids),
            **chosen.model.shape,
            generator=torch.Generator().manual_seed(weights),
        )
        patch = 2 * net.halo + 1
        if min(scene.shape[:2]) < patch:
            raise SceneError(
                f"{scene.name}: {scene.shape[0]} x {scene.shape[1]} pixels are smaller than the "
                f"{patch} x {patch} patch of {model}"
            )
        bands = fit_bands(
            scene, split, chosen.bands.components, chosen.bands.bands_from,
            chosen.bands.standardise, patch, chosen.bands.reduction,
        )  # fmt: skip
        reduced = bands.reduce(scene.cube, scene.valid)
        on_stage("training")
        fit = partial(fit_scene, net, reduced, split, chosen.training, order, dropout)
        log = fit_in(stopped, net, fit, chosen.training.epochs, on_epoch)
        bundle = Bundle(_config(scene, labels, bands, chosen, patch), bands, net.cpu())
        bundle.save(folder / "bundle")
        on_stage("baselines")
        start = time.perf_counter()
        leakage = split.leakage(patch)
        baselines = measure_baselines(reduced, split, leakage, np.random.default_rng(judge))
        baselines_s = time.perf_counter() - start
        manifest = {k: v for k, v in stopped.manifest.items() if k != "overwrite"}
        manifest |= {"weights_sha256": bundle.sha256, "training_s": round(log[-1].elapsed_s, 3)}
        on_stage("mapping")
        _judge(Run(folder, manifest), scene, split, leakage, baselines, baselines_s)
    return open_run(out)


def evaluate_scene(opened: Run, scene: Scene, labels: Labels, *, flips: bool) -> Report:
    """`evaluate` of a run on a scene; see there."""
    split = opened.split(labels)
    bundle = opened.bundle
    leakage = split.leakage(bundle.config.patch)
    judge = seeds(opened.manifest["seed"])[3]
    with threads_of(opened.manifest):
        start = time.perf_counter()
        baselines = measure_baselines(
            bundle.bands.reduce(scene.cube, scene.valid), split, leakage,
            np.random.default_rng(judge),
        )  # fmt: skip
        baselines_s = time.perf_counter() - start
        return _judge(opened, scene, split, leakage, baselines, baselines_s, flips=flips)


def report_scene(opened: Run, scene: Scene, labels: Labels) -> Path:
    """`report` of a run on a scene; see there."""
    made = read_map(opened.path / "map.tif", opened.bundle)
    return _write_page(opened, scene, opened.split(labels), made)


def _judge(
    run: Run,
    scene: Scene,
    split: Split,
    leakage: Leakage,
    baselines: Baselines,
    baselines_s: float,
    flips: bool = False,
) -> Report:
    """Map the scene with the stored model, score it, and write report, page, map and manifest."""
    bundle = run.bundle
    start = time.perf_counter()
    made = classify(bundle, scene, device=run.settings.training.device)
    map_s = time.perf_counter() - start
    turned = None
    if flips:
        start = time.perf_counter()
        averaged = classify(bundle, scene, device=run.settings.training.device, flips=True)
        turned = flip_figures(averaged.classes, split, time.perf_counter() - start)
    times_s = {"training": run.manifest["training_s"], "baselines": baselines_s, "map": map_s}
    made_report = make_report(
        made.classes,
        split,
        bundle.bands,
        leakage,
        baselines,
        run.settings,
        np.random.default_rng(seeds(run.manifest["seed"])[3]),
        data=scene.name,
        seed=run.manifest["seed"],
        parameters=costs.parameters(bundle.network),
        macs_per_pixel=costs.macs_per_pixel(bundle.network, len(bundle.bands.matrix)),
        macs_per_patch=costs.macs_per_patch(bundle.network, len(bundle.bands.matrix)),
        times_s={k: round(v, 3) for k, v in times_s.items()},
        versions=run.manifest["versions"],
        machine=run.manifest["machine"],
        flips=turned,
    )
    made_report.save(run.path / "report.json")
    write_card(made_report, bundle.sha256, run.path / "bundle")
    made.write_geotiff(run.path / "map.tif")
    made.write_png(run.path / "map.png")
    _write_page(run, scene, split, made)
    hashes = {"map_sha256": made.sha256, "figures_sha256": made_report.figures_sha256}
    write_json(run.path / "manifest.json", {**run.manifest, **hashes})
    return made_report


def _write_page(run: Run, scene: Scene, split: Split, made: SceneMap) -> Path:
    path = run.path / "report.html"
    with whole_file(path) as part:
        part.write_text(
            pages.report_page(run.report, scene, split, made, run.log()), encoding="utf-8"
        )
    return path


def _config(scene: Scene, labels: Labels, bands: Bands, chosen: Settings, patch: int) -> Config:
    return Config(
        format=BUNDLE_FORMAT,
        model=chosen.model.model,
        variant=chosen.model.variant,
        width=chosen.model.width,
        patch=patch,
        class_ids=labels.class_ids,
        class_names=dict(labels.class_names),
        class_colours=dict(labels.class_colours),
        fitted_on=bands.fitted_on,
        pixels=bands.pixels,
        explained=bands.explained,
        wavelengths_nm=scene.wavelengths_nm,
        scaled="scale" in scene.source,
    )
