"""The scripts of `deployments/`, which are no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["FILE", "ROOT", "script", "serve"]

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deployments/prefect.yaml"


def script(path: str) -> ModuleType:
    """Load a script of `deployments/` as a module."""
    name = "deployments_" + path.removesuffix(".py").replace("/", "_").replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, ROOT / "deployments" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


serve = script("serve.py")
