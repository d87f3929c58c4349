"""Which commands there are. Each is imported only when it is called, so that `--help` is quick."""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from inspect import cleandoc

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from prefect_octopusx.cli.exits import Exit

__all__ = ["app", "main"]

# The first line is what `--help` of the whole program shows. They stand here, so that it imports none of the commands.
_COMMANDS = {
    "generate": """Make one video, and store it.

    Called again with the same name, it goes on, and pays nothing twice.

    For example:

    `prefect-octopusx generate "a cat chasing butterflies" --model viduq3-pro --duration 5 --to s3://my-videos/clips`
    """,
    "batch": """Make the videos of a list that are not made yet.

    The whole list is checked before anything is paid. A video that fails does not stop the others. Run it again, and it
    does only what is missing.

    For example:

    `prefect-octopusx batch examples/launch.yaml --to s3://my-videos/clips --dry-run`
    """,
    "collect": """Store all videos that were submitted and are ready by now.

    Sends nothing, costs nothing. For `generate --no-wait`, and after runs that were interrupted, killed or timed out.
    What is not ready stays for the next time.

    For example:

    `prefect-octopusx collect --to s3://my-videos/clips`
    """,
    "adopt": """Take over a video by its task id: wait for it, and store it.

    Sends nothing, costs nothing. For a create without a certain answer whose task is found in the OctopusX dashboard,
    for a video that Ctrl-C left behind, and for videos that other tools asked for.

    For example:

    `prefect-octopusx adopt task_8f2e77 --name hero --to s3://my-videos/clips`
    """,
    "status": """Tell how a video stands, and what to do next.

    Reads the video's record only: no run, no call of the API. Exit codes: 0 stored, 1 failed or not there, 3 uncertain,
    4 in the making.

    For example:

    `prefect-octopusx status hero --to s3://my-videos/clips`
    """,
    "sandbox": """Serve a local OctopusX that bills nothing, until Ctrl-C.

    For example:

    `prefect-octopusx sandbox --generation 20`
    """,
    "doctor": """Check all that a run needs, and say how to mend what is wrong.

    Costs nothing. What it writes to the destination it removes again.

    For example:

    `prefect-octopusx doctor --to s3://my-videos/clips`
    """,
}

app = App(
    name="prefect-octopusx",
    help="Turn prompts into videos in a bucket, by Prefect flows. The same name twice is paid for once.",
    help_epilogue="Exit codes: 0 done, 1 failed, 2 refused before anything was sent, 3 uncertain whether a create was "
    "accepted, 4 still in the making, 130 after Ctrl-C, 143 after SIGTERM.",
    version=lambda: version("prefect-octopusx"),
    error_formatter=lambda error: f"prefect-octopusx: {error}",
    # Whatever is wrong with what was typed becomes exit code 2, and Ctrl-C is for the commands themselves.
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
    default_parameter=Parameter(negative_iterable=()),
)
for _name, _help in _COMMANDS.items():
    app.command(f"prefect_octopusx.cli.{_name}:{_name}", name=_name, help=cleandoc(_help))
app.register_install_completion_command(help="Let the shell complete commands and options.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that was typed.

    Args:
        arguments: What was typed after the program's name; left out, that of this process.

    Returns:
        The exit code, one of `Exit`.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(tokens, error_console=Console(stderr=True, soft_wrap=True, highlight=False))
    except CycloptsError as error:  # shown already
        if "--json" in tokens:
            told = {"type": "Refused", "message": str(error), "task_id": None}
            sys.stdout.write(json.dumps({"error": told}, indent=2, ensure_ascii=False) + "\n")
        return Exit.REFUSED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # whoever read the output has enough of it
        sys.stderr.close()
        return Exit.FAILED
    return Exit(code) if isinstance(code, int) else Exit.DONE
