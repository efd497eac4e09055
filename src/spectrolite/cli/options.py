"""What the verbs share: consoles, panels of the help pages, common options, printing."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.text import Text
from typer.models import OptionInfo

from spectrolite.cli.tables import TrainingProgress, report_table
from spectrolite.errors import printable


class PrintableConsole(Console):
    """A console that no text of a file can steer: names, messages and figures come from files."""

    def render_str(self, text: str, **settings: Any) -> Text:
        """Text with its markup, as it is measured and wrapped."""
        return super().render_str(printable(text), **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """What is written, piece by piece; pieces with a control are rich's own."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


console = PrintableConsole(highlight=False, emoji=False)
# a table of costs is printed at its full width: rich would cut its numbers short
wide = PrintableConsole(width=400, highlight=False, emoji=False)
messages = PrintableConsole(stderr=True, highlight=False, emoji=False)

DATA, SPLIT, NETWORK, TRAINING, OUTPUT = "Data", "Split", "Network", "Training", "Output"
BANDS, AUGMENTATION = "Band reduction (scenes)", "Augmentation (images)"
PANELS = (None, DATA, SPLIT, NETWORK, BANDS, TRAINING, AUGMENTATION, OUTPUT)
"""Panels of a help page, in their order; None is the panel "Options"."""

VALUES = {int: "N", float: "X", str: "NAME", Path: "PATH"}
"""What a help page calls a value of each type."""

Verb = TypeVar("Verb", bound=Callable[..., None])


class Terminated(KeyboardInterrupt):
    """SIGTERM, as of `kill` or of a batch system: the work ends as after Ctrl-C."""

    exit_code = 143


def exit_after(stop: KeyboardInterrupt) -> typer.Exit:
    """The exit code of a shell for the signal: 130 for Ctrl-C."""
    return typer.Exit(getattr(stop, "exit_code", 130))


@contextmanager
def training_progress() -> Iterator[TrainingProgress]:
    """Progress of a verb that says after Ctrl-C how to go on."""
    try:
        with TrainingProgress(messages).shown() as progress:
            yield progress
    except KeyboardInterrupt as stop:
        for note in getattr(stop, "__notes__", ["stopped"]):
            messages.print(plain(note), soft_wrap=True)
        raise exit_after(stop) from stop


@contextmanager
def resumable_progress() -> Iterator[TrainingProgress]:
    """Progress of a verb that, after Ctrl-C, continues when the same command is given again."""
    try:
        with TrainingProgress(messages).shown() as progress:
            yield progress
    except KeyboardInterrupt as stop:
        messages.print("stopped; the same command continues from here")
        raise exit_after(stop) from stop


def option(
    help: str, *names: str, panel: str | None = None, default: str | bool = True, **more: Any
) -> Any:
    """An option in a panel; `default` is shown where the default in Python explains nothing."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=default, **more)


def optional(kind: Any, help: str, default: str, panel: str = DATA, **more: Any) -> Any:
    """The type of an option that may be None; `default` says what is done then."""
    annotated: Any = Annotated
    return annotated[kind | None, option(help, panel=panel, default=default, **more)]


def switch(flag: str, help: str, panel: str = DATA) -> Any:
    """The type of an option that is off unless given."""
    return Annotated[bool, option(help, flag, panel=panel)]


Json = Annotated[bool, option("Print one JSON object and nothing else.", "--json", panel=OUTPUT)]
Overwrite = Annotated[bool, option("Replace an existing output.", panel=OUTPUT)]
Picture = Annotated[Path | None, option("PNG to write.", panel=OUTPUT, default="no picture")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder of a run, a bundle or an exported model.")
]


def with_options(*groups: Mapping[str, Any]) -> Callable[[Verb], Verb]:
    """Give a verb more options; it receives their values as keywords.

    Args:
        *groups: annotated types of options, by name. A switch is off and any other option is None
            where it is not given.
    """

    def decorate(verb: Verb) -> Verb:
        own = inspect.signature(verb, eval_str=True).parameters.values()
        parameters = [p for p in own if p.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters += [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if get_args(annotation)[0] is bool else None,
                annotation=annotation,
            )
            for group in groups
            for name, annotation in group.items()
        ]
        return _with_parameters(verb, parameters)

    return decorate


def in_panel_order(verb: Verb) -> Verb:
    """The verb with its options in the order of `PANELS`."""
    parameters = inspect.signature(verb, eval_str=True).parameters.values()
    return _with_parameters(
        verb,
        sorted(
            (p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters),
            key=lambda p: PANELS.index(get_args(p.annotation)[1].rich_help_panel),
        ),
    )


def _with_parameters(verb: Verb, parameters: Sequence[inspect.Parameter]) -> Verb:
    for parameter in parameters:
        annotation, shown = get_args(parameter.annotation)[:2]
        if isinstance(shown, OptionInfo) and shown.metavar is None:
            kinds = _types_in(annotation)
            shown.metavar = next((name for kind, name in VALUES.items() if kind in kinds), None)
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return verb


def _types_in(annotation: Any) -> set[Any]:
    """A type and those it is made of: `list[Path] | None` has Path."""
    return {annotation}.union(*map(_types_in, get_args(annotation)))


def print_report(folder: Path, as_json: bool) -> None:
    """The figures of a run, as a table with notes or as JSON."""
    from spectrolite.runs.run_folder import open_run

    run = open_run(folder)
    report = run.report
    if as_json:
        print_json({"run": str(folder), **json.loads(report.model_dump_json())})
        return
    console.print(report_table({folder.name: report}))
    for warning in report.warnings:
        print_warning(warning)
    for note in report.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    console.print(f"{folder}/report.html", markup=False)


def print_warning(words: str | None) -> None:
    """A line that nobody overlooks, on standard error; None: nothing."""
    if words:
        messages.print(f"[bold red]warning:[/] {plain(words)}", soft_wrap=True)


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")


def plain(text: str) -> str:
    """Text in which rich sees no markup."""
    return escape(text)
