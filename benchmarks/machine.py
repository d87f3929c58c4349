"""What the figures were measured on, in a line."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

__all__ = ["machine"]


def machine(database: str) -> str:
    """Return machine and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")), "")
    versions = ", ".join(f"{name} {version(name)}" for name in ("prefect", "httpx", "boto3"))
    return (
        f"{os.cpu_count()} cores{f' ({model})' if model else ''}, {memory:.0f} GB, {platform.system()}, Python "
        f"{platform.python_version()}, {versions}, {database}"
    )
