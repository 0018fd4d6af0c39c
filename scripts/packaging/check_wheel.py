#!/usr/bin/env python
"""Install a wheel into an environment that has torch alone, and do the main job there, away from the source.

`make check-wheel` makes such an environment and calls this.  It ends with exit code 1 at the first thing that is wrong.

Example:
    python scripts/packaging/check_wheel.py --wheel dist/textsem-0.1.0-py3-none-any.whl --environment env --scratch DIR
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["check_contents", "main", "parse_arguments"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("textsem", "images_ext")
USER = Path(__file__).with_name("typed_user.py")
MOST_PACKAGES = 60  # beside torch and what torch needs
LIMIT = 20
# Nobody listens there: as on a machine without a network, whatever this one has.
NOWHERE = "http://127.0.0.1:9"
NO_NETWORK = {name: NOWHERE for name in ("HF_ENDPOINT", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
OFFLINE = {"HF_HUB_OFFLINE": "1", **NO_NETWORK}
# What the machine of the one who checks says, and an empty one does not.
OWN_VARIABLES = ("HF_", "TEXTSEM_", "TRANSFORMERS_", "NLTK_", "PYTHON", "VIRTUAL_ENV", "XDG_")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--wheel", type=Path, required=True, help="the file *.whl")
    parser.add_argument("--environment", type=Path, required=True, help="virtual environment with torch in it")
    parser.add_argument("--scratch", type=Path, required=True, help="empty folder in which the job runs")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a wheel; return the exit code."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    wheel, scratch = options.wheel.resolve(), options.scratch.resolve()
    environment = Path(os.path.abspath(options.environment))  # its python is a link, which has to stay one
    try:
        check_contents(wheel, ROOT)
        print(f"wheel: {wheel.stat().st_size / 1e6:.1f} MB, the files of both packages and nothing else")
        install(wheel, environment)
        run_jobs(environment, scratch)
        check_types(environment, scratch)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        said = (getattr(error, "stdout", None) or "") + (getattr(error, "stderr", None) or "")
        print(f"{said}error: {error}", file=sys.stderr)
        return 1
    return 0


def check_contents(wheel: Path, root: Path) -> None:
    """Hold a wheel's files against those of the source.

    Args:
        wheel: The wheel.
        root: Folder with ``textsem/``, ``images_ext/``, ``LICENSE`` and ``README.md``.

    Raises:
        ValueError: If a file of the packages is missing, or another one is in it.
    """
    inside = (path for package in PACKAGES for path in (root / package).rglob("*"))
    files = (path for path in inside if path.is_file() and path.suffix != ".pyc")
    wanted = {path.relative_to(root).as_posix() for path in files}
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        found = {name for name in archive.namelist() if not name.startswith(f"{info}/")}
        metadata = archive.read(f"{info}/METADATA").decode()
        license_text = archive.read(f"{info}/licenses/LICENSE").decode()
    if missing := sorted(wanted - found):
        raise ValueError(f"expected every file of the packages in {wheel.name}, got none of {', '.join(missing[:5])}")
    if strange := sorted(found - wanted):
        raise ValueError(f"expected the packages alone in {wheel.name}, got {', '.join(strange[:5])} too")
    if license_text != (root / "LICENSE").read_text(encoding="utf-8"):
        raise ValueError(f"expected LICENSE in {wheel.name}, got another text")
    if (root / "README.md").read_text(encoding="utf-8").strip() not in metadata.replace("\r\n", "\n"):
        raise ValueError(f"expected README.md as the description in {wheel.name}, got another text")


def install(wheel: Path, environment: Path) -> None:
    """Install the wheel, and count what comes with it."""
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    before, start = packages(pip), time.perf_counter()
    subprocess.run([*pip, "install", "--quiet", str(wheel)], check=True)
    seconds, added = time.perf_counter() - start, packages(pip).keys() - before.keys()
    subprocess.run([*pip, "check"], check=True, capture_output=True, text=True)
    print(f"install: {seconds:.0f} s; {len(added)} packages beside torch's {len(before)} (aim: {MOST_PACKAGES})")
    if len(added) > MOST_PACKAGES:
        raise ValueError(f"expected at most {MOST_PACKAGES} packages, got {len(added)}: {', '.join(sorted(added))}")


def packages(pip: Sequence[str]) -> dict[str, str]:
    """Return name and version of what is installed, pip and setuptools apart."""
    listed = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True, text=True).stdout
    found = {entry["name"].lower(): entry["version"] for entry in json.loads(listed)}
    return {name: version for name, version in found.items() if name not in {"pip", "setuptools", "wheel"}}


def run_jobs(environment: Path, scratch: Path) -> None:
    """Run what a user runs first, offline by the variable and offline for want of a network."""
    python, command = str(environment / "bin" / "python"), str(environment / "bin" / "textsem")
    lines = []
    for name, variables in (("offline", OFFLINE), ("no-network", NO_NETWORK)):
        job = [command, "attack", "--limit", str(LIMIT), "--output", name, "--quiet"]
        seconds, _ = run(job, scratch, variables)
        lines.append((scratch / name / "results.jsonl").read_bytes())
        print(f"textsem attack --limit {LIMIT}, {name}: {seconds:.1f} s")
        if lines[-1].count(b"\n") != LIMIT or lines[-1] != lines[0]:
            raise ValueError(f"expected {LIMIT} lines, the same each time, got others in {scratch / name}")
    for arguments in (["--help"], ["--version"], ["info"], ["attack", "--help"], ["train", "--help"]):
        seconds, _ = run([command, *arguments], scratch, OFFLINE)
        print(f"textsem {' '.join(arguments)}: {seconds:.2f} s")
    shutil.copy(USER, scratch)
    for name, variables in (("offline", OFFLINE), ("no-network", NO_NETWORK)):
        seconds, shown = run([python, USER.name], scratch, variables)
        told = json.loads(shown.splitlines()[-1])
        print(f"first result of the pipeline in a fresh process, {name}: {seconds:.1f} s ({told['status']}; aim: 10 s)")
        if environment not in Path(told["file"]).parents:
            raise ValueError(f"expected textsem from {environment}, got {told['file']}")
        if told["status"] not in {"success", "failed"}:
            raise ValueError(f"expected an attack to the end, got {told['status']}")


def check_types(environment: Path, scratch: Path) -> None:
    """Type-check a user's program against the installed package."""
    python = str(environment / "bin" / "python")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", "mypy_cache"]
    seconds, shown = run([*mypy, USER.name], scratch, {})
    print(f"mypy --strict on a user's program: {seconds:.0f} s; {shown.strip()}")


def run(command: Sequence[str], folder: Path, variables: dict[str, str]) -> tuple[float, str]:
    """Return seconds and output of a command in a folder that has a home and caches of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    environment = {**inherited, "HOME": str(folder), "PYTHONSAFEPATH": "1", **variables}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


if __name__ == "__main__":
    sys.exit(main())
