"""The command group; each command is imported when it is used, so that none pays for the others."""

from importlib import import_module

import click

from seldon_core import __version__

_COMMANDS = {
    "lint": "seldon_core.cli.lint",
    "default": "seldon_core.cli.default",
    "plan": "seldon_core.cli.plan",
    "new": "seldon_core.cli.new",
    "engine": "seldon_core.cli.engine",
}


class _Lazy(click.Group):
    """A group whose commands are attributes `command` of the modules above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Run `seldon-core COMMAND --help` for what a command does, with examples.",
)
@click.version_option(__version__, prog_name="seldon-core")
def main() -> None:
    """Check and plan SeldonDeployments without a cluster, and run the engine."""
