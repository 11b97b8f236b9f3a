"""What the commands share: their options, the runtime they work on, and the exit code of a "no"."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

if TYPE_CHECKING:
    from sync.steps.runtime import Runtime

NO = 1
"""Exit code of a command whose answer is no."""

Names = Annotated[list[str] | None, typer.Argument(help="Clusters; none means all of them.")]
Cluster = Annotated[str, typer.Argument(help="The cluster's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
SecretName = Annotated[str, typer.Argument(help="The secret: NAME, or VAULT-HOST/NAME where several are watched.")]
Digest = Annotated[str, typer.Argument(help="Its digest as `removals list` shows it, or the first 8 digits or more.")]


class Once(TyperCommand):
    """A command that refuses a single-valued option given twice: only the last would count."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments that are left."""
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option, times in Counter(each for each in given if isinstance(each, TyperOption)).items():
            if times > 1 and not (option.multiple or option.is_flag):
                raise typer.BadParameter(f"{option.opts[0]} is given twice", ctx=ctx)
        return super().parse_args(ctx, args)


def group(text: str, **options: Any) -> typer.Typer:
    """A group of commands with this help."""
    settings = {"max_content_width": 100}
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None, context_settings=settings, **options)


def current_runtime() -> Runtime:
    """The runtime of the process's settings; bootstrap is imported by the commands that need it only."""
    from sync import bootstrap  # noqa: PLC0415

    return bootstrap.runtime()


def answer(yes: bool) -> None:
    """End the command: with `NO` unless the answer is yes."""
    if not yes:
        raise typer.Exit(NO)
