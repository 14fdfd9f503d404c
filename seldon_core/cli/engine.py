"""`seldon-core engine`: the arguments are the engine's own."""

import sys
from typing import Any

import click


class _Verbatim(click.Command):
    """A command that hands on its arguments as they are: the engine accepts flags with one dash or two."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> Any:
        from seldon_core.engine.main import run

        sys.exit(run(list(ctx.args)))


command = _Verbatim(
    "engine",
    short_help="Run the engine, which serves an inference graph.",
    add_help_option=False,
)
