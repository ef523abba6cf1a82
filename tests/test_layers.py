"""Imports go one way through the packages, and each foreign library has one place."""

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "src" / "rev2fwd_il"
# A package imports itself and the layers before its own; packages of one layer do not know each other.
LAYERS = (
    {"errors", "keys", "seeds", "__version__"},
    {"config"},
    {"running"},
    {"tasks", "robots"},
    {"data"},
    {"sim", "learning"},
    {"method"},
    {"exchange", "reporting", "environments"},
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
# Libraries with one home. Where the home is None, nothing imports it.
HOME = {
    "isaaclab": "sim", "isaaclab_newton": "sim", "isaaclab_physx": "sim", "isaaclab_assets": "sim",
    "isaaclab_tasks": "sim", "newton": "sim", "pxr": "sim", "warp": "sim", "mujoco_warp": "sim", "mujoco": "sim",
    "lerobot": "learning", "accelerate": "learning", "snakemake": None,
}  # fmt: skip
# module -> what it may import against the order, and why.
EXCEPTIONS = {
    "running.lineage": {"data.npz"},  # reads the record inside an NPZ without opening it as a dataset
}
HEAVY = ("torch", "scipy", "isaaclab", "lerobot", "snakemake", "warp", "pandas", "matplotlib")
# What the Snakefile, the rules and the programs beside a job import, in the engine's environment.
LIGHT = (
    "errors", "keys", "seeds", "config.run", "config.reading", "config.expansion", "running.doctor", "running.job",
    "running.gpu_lease", "running.files", "running.json_files", "running.processes", "running.provenance",
    "running.checkpoint_files", "running.sharing", "running.cost", "method.stopping",
)  # fmt: skip


def module_name(path: Path, library: Path) -> str:
    """running/doctor.py -> running.doctor; a package's __init__.py -> the package."""
    parts = path.relative_to(library).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, library: Path) -> list[tuple[int, str]]:
    """(line, absolute name) of every import that runs, at the top or inside a function: not those for type checkers."""
    found = []
    package = ["rev2fwd_il", *path.relative_to(library).parts[:-1]]
    tree = ast.parse(path.read_text())
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    never = {id(node) for block in blocks for part in block.body for node in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in never:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def complaint(module: str, name: str) -> str:
    """Why `module` may not import `name`, or nothing."""
    package = module.split(".")[0]
    top, _, inner = name.partition(".")
    if top != "rev2fwd_il":
        home = HOME.get(top, package)
        return "" if home == package else f"{top} is imported by {home or 'nothing in the library'} only"
    target = inner.split(".")[0]
    allowed = EXCEPTIONS.get(module, ())
    if target == package or any(inner == other or inner.startswith(f"{other}.") for other in allowed):
        return ""
    if target not in LEVEL or package not in LEVEL:
        return f"{target if target not in LEVEL else package} is in no layer"
    return "" if LEVEL[target] < LEVEL[package] else f"{package} comes before or beside {target}"


def violations(library: Path) -> list[str]:
    """'file:line imports name: why not', for each import that goes the wrong way."""
    found = []
    for path in sorted(library.rglob("*.py")):
        module = module_name(path, library)
        if not module:
            continue  # the library's own __init__.py
        for line, name in imported(path, library):
            if why := complaint(module, name):
                found.append(f"{path.relative_to(library)}:{line} imports {name}: {why}")
    return found


def test_imports_go_one_way():
    assert violations(LIBRARY) == []


def bound_in(source: Path) -> set[str]:
    """Names that a module defines or imports from another one."""
    names, package = set(), ["rev2fwd_il", *source.relative_to(LIBRARY).parts[:-1]]
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom) and node.module != ".".join(package):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def resolves(name: str) -> bool:
    """Whether rev2fwd_il.a.b is a module, or something that the module or package rev2fwd_il.a holds."""
    path = LIBRARY.joinpath(*name.split(".")[1:])
    if (path / "__init__.py").is_file() or path.with_suffix(".py").is_file():
        return True
    parent = path.parent
    source = parent / "__init__.py" if parent.is_dir() else parent.with_suffix(".py")
    return source.is_file() and path.name in bound_in(source)


def test_what_is_imported_from_the_library_exists():
    """Also inside functions and in programs that need a simulator, which no light test imports."""
    files = [path for folder in ("src", "tests", "workflow", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    missing = []
    for path in files:
        base = LIBRARY if path.is_relative_to(LIBRARY) else ROOT
        missing += [
            f"{path.relative_to(ROOT)}:{line} {name}"
            for line, name in imported(path, base)
            if name.startswith("rev2fwd_il.") and not resolves(name)
        ]
    assert missing == []
    assert not resolves("rev2fwd_il.sim.kernels") and resolves("rev2fwd_il.errors.DataError")


def test_every_exception_is_still_needed():
    for module, names in EXCEPTIONS.items():
        path = LIBRARY / f"{module.replace('.', '/')}.py"
        imports = [name for _, name in imported(path, LIBRARY)]
        for name in names:
            assert any(f"rev2fwd_il.{name}" in other for other in imports), f"{module} no longer imports {name}"


@pytest.mark.parametrize(
    ("module", "line", "why"),
    [
        ("sim/planted", "from rev2fwd_il.learning.inference import load_policy", "sim comes before or beside learning"),
        ("learning/planted", "from rev2fwd_il import sim", "learning comes before or beside sim"),
        ("config/planted", "import rev2fwd_il.tasks.pick_place", "config comes before or beside tasks"),
        ("config/planted", "from ..tasks import pick_place", "config comes before or beside tasks"),
        ("data/planted", "def f():\n    from rev2fwd_il.method import rollout", "data comes before or beside method"),
        ("method/planted", "from rev2fwd_il import strange", "strange is in no layer"),
        ("strange/planted", "from rev2fwd_il import errors", "strange is in no layer"),
        ("method/planted", "import isaaclab.sim as sim_utils", "isaaclab is imported by sim only"),
        ("reporting/planted", "from lerobot.configs import PreTrainedConfig", "lerobot is imported by learning only"),
        ("running/planted", "from snakemake.utils import min_version", "snakemake is imported by nothing"),
    ],
)
def test_a_planted_import_is_found(tmp_path, module, line, why):
    path = tmp_path / f"{module}.py"
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    (found,) = violations(tmp_path)
    assert f"{module}.py:" in found and why in found


def test_imports_of_earlier_layers_and_neighbours_are_allowed(tmp_path):
    for module, line in (
        ("method/planted", "from rev2fwd_il.sim import cell"),
        ("learning/planted", "from .policy import make_policy\nimport lerobot"),
        ("config/planted", "import importlib\nimportlib.import_module('rev2fwd_il.tasks.pick_place')"),
        ("config/typed", "if TYPE_CHECKING:\n    from rev2fwd_il.tasks.task import Task"),
    ):
        path = tmp_path / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line + "\n")
    assert violations(tmp_path) == []


ENGINE = str(Path(os.environ.get("REV2FWD_SNAKEMAKE", ROOT / ".venv-engine/bin/snakemake")).parent / "python")


def heavy_after_importing(python: str, module: str, then: str = "") -> str:
    """Which heavy libraries one module loads in a fresh interpreter, as printed; `then` runs after the import."""
    program = f"import sys, rev2fwd_il.{module}\n{then}\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([python, "-c", program], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{module}: {done.stderr}"
    return done.stdout.strip()


def test_light_modules_import_where_the_engine_runs():
    assert {module: heavy_after_importing(ENGINE, module) for module in LIGHT} == dict.fromkeys(LIGHT, "[]")


@pytest.mark.parametrize("python", [ENGINE, sys.executable], ids=["engine", "work"])
@pytest.mark.parametrize("name", ["config", "smoke", "gpu"])
def test_reading_a_configuration_loads_nothing_heavy(python, name):
    """Not the task either, which names its own settings."""
    then = f"rev2fwd_il.config.reading.load_config('config/{name}.yaml')"
    assert heavy_after_importing(python, "config.reading", then) == "[]"


def test_light_modules_load_nothing_heavy_in_the_work_environment():
    assert {module: heavy_after_importing(sys.executable, module) for module in LIGHT} == dict.fromkeys(LIGHT, "[]")


def test_no_two_test_modules_have_one_name():
    """Test folders are no packages, so pytest imports by file name alone."""
    names = Counter(
        path.name for path in (ROOT / "tests").rglob("*.py") if path.name not in ("conftest.py", "__init__.py")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_tests_of_the_library_lie_in_folders_of_its_packages():
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    others = {"browser", "files", "fuzz", "opt_in", "slurm", "workflow"}
    folders = {path.parent.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").glob("*/**/test_*.py")}
    assert folders - packages - others == set()
