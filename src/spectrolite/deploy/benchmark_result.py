"""The figures of a benchmark, as values and as a picture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from spectrolite.files import whole_file

BATCH = 64  # images in the larger task


@dataclass(frozen=True)
class Timing:
    """Latency of one task: images or pixels in a call, median and 95th percentile of seconds."""

    items: int
    p50_s: float
    p95_s: float

    @property
    def per_second(self) -> float:
        """Images or pixels per second, from the median."""
        return self.items / self.p50_s


@dataclass(frozen=True)
class Measured:
    """The figures of one model.

    Attributes:
        model: its folder.
        network: name and variant of its network.
        works_on: `images` or `pixels`.
        backend: `torch`, `onnxruntime` or `openvino`.
        precision: `float32`, `float16` or `int8`.
        bytes: size of weights and graph on the disk.
        load_s: seconds from opening the folder to the first result; importing libraries and making
            inputs do not count.
        peak_mib: peak memory of a process that loads the model and does both tasks, with its
            libraries and inputs.
        one: the smaller task: one image, or one pixel with its patch.
        many: the larger task: 64 images, or a whole scene.
    """

    model: str
    network: str
    works_on: str
    backend: str
    precision: str
    bytes: int
    load_s: float
    peak_mib: float
    one: Timing
    many: Timing


@dataclass(frozen=True)
class Benchmark:
    """Models measured side by side, in the order given.

    Attributes:
        models: the figures of each model.
        threads: number of threads.
        repeats: timed calls of each task.
        machine: system, capability of the processor, versions.
    """

    models: tuple[Measured, ...]
    threads: int
    repeats: int
    machine: dict[str, str]

    def to_json(self) -> str:
        """The benchmark as one JSON object."""
        return json.dumps(asdict(self), indent=2)

    def __repr__(self) -> str:
        rows = [
            f"{m.model}: {m.network}, {m.backend} {m.precision}, {m.bytes / 1e6:.2f} MB, "
            f"{m.many.per_second:,.0f} {m.works_on} per second"
            for m in self.models
        ]
        return "\n".join([f"Benchmark, {self.threads} thread(s), {self.repeats} calls", *rows])


def plot(result: Benchmark, path: Path) -> None:
    """Write a PNG: for each model a bar for the time of the larger task and one for its size."""
    from matplotlib.figure import Figure  # here: it takes half a second to import

    colours = {"float32": "#7a7a7a", "float16": "#1f6f8b", "int8": "#d95f02"}
    kinds = {
        "pixels": (
            "milliseconds for a scene",
            [m for m in result.models if m.works_on == "pixels"],
        ),
        "images": (
            f"milliseconds for {BATCH} images",
            [m for m in result.models if m.works_on == "images"],
        ),
    }
    rows = [row for row in kinds.values() if row[1]]
    figure = Figure(
        figsize=(11, 0.9 + 0.8 * len(rows) + 0.36 * len(result.models)), layout="constrained"
    )
    panels = figure.subplots(
        len(rows), 2, sharey="row", squeeze=False, height_ratios=[2 + len(m) for _, m in rows]
    )
    for (time_title, models), pair in zip(rows, panels, strict=True):
        places = range(len(models))
        for axis, title, values in zip(
            pair,
            (time_title, "megabytes on the disk"),
            ([1e3 * m.many.p50_s for m in models], [m.bytes / 1e6 for m in models]),
            strict=True,
        ):
            bars = axis.barh(places, values, color=[colours[m.precision] for m in models])
            axis.bar_label(bars, [f"{v:,.1f}" for v in values], padding=4, fontsize=8)
            axis.set_title(title, fontsize=10.5)
            axis.spines[["top", "right"]].set_visible(False)
            axis.margins(x=0.16)
        labels = [f"{m.network.split()[0]}  {m.backend} {m.precision}" for m in models]
        pair[0].set_yticks(places, labels)
        pair[0].invert_yaxis()
    figure.suptitle(f"{result.threads} thread(s), median of {result.repeats} calls", fontsize=11)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=110)
