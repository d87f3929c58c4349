"""What users get is the code and nothing else: the files of a built wheel and source archive, against the tree.

Args, as a script: the folder of the tree, and that of the two archives.
"""

import configparser
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

_CODE = (".py", ".mp4", ".jpg")
_ABOUT = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE")
_MADE = (
    "PKG-INFO",
    "setup.cfg",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "pyproject.toml",
)  # of a source archive, besides the code


def main(tree: Path, archives: Path) -> None:
    """Compare, and look whether the metadata is valid.

    Raises:
        SystemExit: Something is missing or too much; it says what.
    """
    project = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))
    layers: dict[str, str] = {
        package.removeprefix("prefect_octopusx."): folder
        for package, folder in project["tool"]["setuptools"]["package-dir"].items()
    }
    code = {
        path.relative_to(tree).as_posix()
        for folder in layers.values()
        for path in (tree / folder).rglob("*")
        if path.suffix in _CODE
    } | {f"{folder}/py.typed" for folder in layers.values()}

    (wheel,) = archives.glob("*.whl")
    about = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    _same(wheel, _files(wheel), {f"prefect_octopusx/{file}" for file in code} | {f"{about}/{file}" for file in _ABOUT})
    (source,) = archives.glob("*.tar.gz")
    top = source.name.removesuffix(".tar.gz")
    found = {file for file in _files(source) if not file.startswith(f"{top}/prefect_octopusx.egg-info/")}
    _same(source, found, {f"{top}/{file}" for file in code.union(_MADE)})

    with zipfile.ZipFile(wheel) as opened:
        metadata = Metadata.from_email(opened.read(f"{about}/METADATA"))  # raises where a field is not valid
        entries = configparser.ConfigParser()
        entries.read_string(opened.read(f"{about}/entry_points.txt").decode())
    told = {name: dict(entries[name]) for name in entries.sections()}
    wanted = {**project["project"]["entry-points"], "console_scripts": project["project"]["scripts"]}
    if told != wanted:
        raise SystemExit(f"{wheel.name}: its entry points are {told}, not {wanted}")
    if metadata.description_content_type != "text/markdown" or str(metadata.license_expression) != "Apache-2.0":
        raise SystemExit(f"{wheel.name}: its metadata has another description type or license")
    print(f"The wheel and the source archive hold the {len(code)} files of the code, and nothing else.")


def _files(archive: Path) -> set[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as source:
        return {member.name for member in source if not member.isdir()}


def _same(archive: Path, found: set[str], wanted: set[str]) -> None:
    if found != wanted:
        raise SystemExit(f"{archive.name}: missing {sorted(wanted - found)}, not to be there {sorted(found - wanted)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
