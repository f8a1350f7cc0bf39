"""The rooms of at2 and what they may import: a lower room from a higher one, never the other way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import at2

PACKAGE = Path(at2.__file__).parent
ROOMS = (
    "errors",
    "scalars",
    "processes",
    "devices",
    "memory",
    "space",
    "tables",
    "training",
    "surrogate",
    "recommend",
    "rivals",
    "curves",
    "control",
    "bench",
    "cli",
)
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name not in ("__init__.py", "__main__.py")
)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported_rooms(path: Path) -> set[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("at2.") and name.split(".")[1] in ROOMS}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_own_room_and_those_above(path: Path) -> None:
    room = _room(path)
    assert room in ROOMS, f"{path} lies in no known room; add it to CONTRIBUTING.md and here"
    lower = {other for other in _imported_rooms(path) if ROOMS.index(other) > ROOMS.index(room)}
    assert not lower, f"{path.relative_to(PACKAGE)} may not import from {sorted(lower)}"


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


HEAVY = {"torch", "pandas", "numpy", "scipy", "h5py", "ConfigSpace", "pooch", "matplotlib", "botorch", "gpytorch"}


@pytest.mark.parametrize(
    "statement",
    ["import at2", "import at2; dir(at2)", "from at2.cli.main import cli; cli.main(['--help'], standalone_mode=False)"],
)
def test_importing_at2_and_asking_for_help_load_nothing_heavy(statement: str) -> None:
    assert not _loaded_by(statement) & HEAVY


def test_fitting_the_default_surrogate_does_not_load_the_compiler_of_torch() -> None:
    fit = """
import torch
from at2.surrogate import History
from at2.surrogate.transfer import WeightedSources
curves = torch.rand(3, 1, 8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WeightedSources().fit(History(curves, torch.linspace(0, 1, 8, dtype=torch.float64)[:, None])).observe(0, 0, 0.5)
"""
    loaded = _loaded_by(fit)
    assert "at2.surrogate.transfer.fitted.deviation" in loaded
    assert "torch._dynamo" not in loaded


def test_an_unknown_public_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Recomender'; its public names are .*Recommender"):
        _ = at2.Recomender


def test_contributing_names_every_room_in_the_order_of_imports() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("## Layout") :]
    present = [room for room in ROOMS if (PACKAGE / room).is_dir()]
    positions = [table.index(f"`at2/{room}`") for room in present]
    assert positions == sorted(positions)
