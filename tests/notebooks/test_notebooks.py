"""Every notebook runs from top to bottom, and keeps its plots."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def plots(notebook):
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return [out for out in outputs if "image/png" in out.get("data", {})]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's own libraries
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom_and_keeps_its_plots(path, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a notebook draws into itself
    notebook = nbformat.read(path, as_version=4)
    kept = plots(notebook)
    NotebookClient(notebook, resources={"metadata": {"path": tmp_path}}, timeout=300).execute()
    assert kept
    assert len(plots(notebook)) == len(kept)


def test_there_is_a_notebook():
    assert NOTEBOOKS
