"""What the verbs of delivery show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from spectrolite.deploy.benchmark_result import Benchmark
    from spectrolite.deploy.prune import Pruning
    from spectrolite.deploy.quantize import Quantization


def quantization_table(made: Quantization) -> Table:
    """Before beside after: accuracy, size, speed."""
    table = Table(
        title=f"{made.backend} on {made.processor}, the run's own data and split",
        title_justify="left",
    )
    per = f" per {made.per}" if made.per else ""
    for title in ("", "float32", f"{made.precision}{per}", "change"):
        table.add_column(title, justify="right" if title else "left")
    before, after = made.accuracy
    small, large = made.bytes[1], made.bytes[0]
    slow, fast = made.seconds
    table.add_row(
        "overall accuracy, %", f"{100 * before:.2f}", f"{100 * after:.2f}", f"{0 - made.drop:+.2f}"
    )
    table.add_row("same class, %", "", f"{100 * made.agreement:.2f}", "")
    table.add_row(
        "size, MB", f"{large / 1e6:.2f}", f"{small / 1e6:.2f}", f"{large / small:.2f} × smaller"
    )
    table.add_row(
        "milliseconds", f"{1e3 * slow:.1f}", f"{1e3 * fast:.1f}", f"{slow / fast:.2f} × faster"
    )
    return table


def noise_table(made: Quantization) -> Table:
    """Signal to quantization noise of each layer."""
    table = Table(title="what each layer gives, signal to noise", title_justify="left")
    table.add_column("layer")
    table.add_column("dB", justify="right")
    for name, value in made.sqnr_db.items():
        table.add_row(escape(name), "exact" if value is None else f"{value:.1f}")
    return table


def pruning_table(made: Pruning) -> Table:
    """Before beside after: kernels, size, work, speed, accuracy."""
    table = Table(title="Depthwise kernels removed", title_justify="left")
    for title in ("", "before", "after", "change"):
        table.add_column(title, justify="right" if title else "left")
    for name, (before, after) in (
        *made.layers.items(),
        ("kernels in all", made.kernels),
        ("parameters", made.parameters),
        ("multiply-accumulates", made.macs),
    ):
        table.add_row(
            name,
            f"{before:,}",
            f"{after:,}",
            f"{after / before - 1:+.1%}" if after < before else "",
        )
    slow, fast = made.seconds
    table.add_row(
        "milliseconds", f"{1e3 * slow:.2f}", f"{1e3 * fast:.2f}", f"{fast / slow - 1:+.1%}"
    )
    for name, figures in (("validation", made.validation), ("test", made.accuracy)):
        if figures:
            was, *rest = (100 * figure for figure in figures)
            titles = (f"{name} accuracy, %", "  before fine-tuning")
            for title, now in zip(titles, reversed(rest), strict=False):
                table.add_row(title, f"{was:.2f}", f"{now:.2f}", f"{now - was:+.2f}")
    return table


def benchmark_table(made: Benchmark) -> Table:
    """A row a model: size, loading, latency, throughput, memory."""
    table = Table(
        title=f"{made.threads} thread(s), {made.repeats} calls each, in turns; int8 on "
        f"{made.machine['int8']}",
        title_justify="left",
    )
    for title in ("model", "network", "backend", "precision"):
        table.add_column(title, no_wrap=True)
    for title in (
        "MB",
        "load, ms",
        "one: p50, ms",
        "p95",
        "many: p50, ms",
        "p95",
        "a second",
        "peak, MiB",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for m in made.models:
        times = [1e3 * t for t in (m.load_s, m.one.p50_s, m.one.p95_s, m.many.p50_s, m.many.p95_s)]
        table.add_row(
            escape(m.model),
            m.network,
            m.backend,
            m.precision,
            f"{m.bytes / 1e6:.2f}",
            *(f"{t:.1f}" for t in times),
            f"{m.many.per_second:,.0f} {m.works_on}",
            f"{m.peak_mib:.0f}",
        )
    return table
