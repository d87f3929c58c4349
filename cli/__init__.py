"""The terminal: `prefect-octopusx`."""

__all__ = ["main"]


def main() -> None:
    """Run the command that was typed."""
    raise SystemExit("to come")
