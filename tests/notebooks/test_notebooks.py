"""Every notebook runs from top to bottom, and has as many plots as it was saved with."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK_DIR = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(NOTEBOOK_DIR.glob("*.ipynb"))


def plots(notebook):
    """Return the PNG outputs of a notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in outputs if "image/png" in output.get("data", {})]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # from the libraries of the kernel
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_and_draws_all_plots(path, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # plots are drawn inline
    notebook = nbformat.read(path, as_version=4)
    saved = plots(notebook)
    NotebookClient(notebook, resources={"metadata": {"path": tmp_path}}, timeout=300).execute()
    assert saved
    assert len(plots(notebook)) == len(saved)


def test_notebooks_exist():
    assert NOTEBOOKS
