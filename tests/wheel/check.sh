#!/bin/sh
# What users install: builds the source archive and from it the wheel, looks at what is in them, and whether the same tree
# makes the same wheel again. Then installs it into an environment of its own with pip alone (no constraints, so that
# today's releases take part), runs the main job there, and a part of the tests against it, away from the tree.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

python="$root/.venv/bin/python"
for folder in dist again; do
	SOURCE_DATE_EPOCH=1700000000 "$python" -m build --outdir "$work/$folder" "$root" >"$work/build.log" 2>&1 \
		|| { cat "$work/build.log"; exit 1; }
done
"$python" "$root/tests/wheel/contents.py" "$root" "$work/dist"
cmp "$work"/dist/*.whl "$work"/again/*.whl || { echo "Two builds of one tree differ."; exit 1; }

"${PYTHON:-python3}" -m venv "$work/venv"
pip="$work/venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check"
wheel=$(echo "$work"/dist/*.whl)

echo "Installing $(basename "$wheel") with pip alone ..."
$pip "$wheel"
cd "$work"
"$work/venv/bin/python" "$root/tests/wheel/main_job.py"

echo "Running tests against the installed wheel ..."
$pip "$wheel[poster]" "moto[server]>=5.2,<6" hypothesis pytest pytest-asyncio pytest-timeout
cp -r "$root/tests" "$root/pyproject.toml" "$work"
"$work/venv/bin/python" -m pytest -q tests/api/test_client.py tests/api/test_downloads.py tests/api/test_request_golden.py \
	tests/api/test_request_union.py tests/api/test_verdicts.py
