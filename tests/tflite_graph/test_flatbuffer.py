"""Reading and writing the FlatBuffer of a .tflite file."""

import subprocess
import sys

import pytest

from lowlight_tf.runtime import pretrained
from lowlight_tf.tflite_graph.flatbuffer import dtype_name, operator_name, read_model, write_model


@pytest.mark.parametrize("name", ["dashcam_net_nano", "dashcam_net_nano_int8", "driving_unet"])
def test_a_model_that_is_read_and_written_gives_the_same_bytes(name):
    content = pretrained.find_pretrained(name).read_bytes()
    assert write_model(read_model(content)) == content


def test_operators_and_types_have_the_names_of_the_schema():
    model = read_model(pretrained.find_pretrained("dashcam_net_nano_int8").read_bytes())
    (graph,) = model.subgraphs
    names = {operator_name(model, operator) for operator in graph.operators}
    assert {"QUANTIZE", "CONV_2D", "LOGISTIC"} <= names
    assert [dtype_name(graph.tensors[index]) for index in graph.inputs] == ["UINT8", "UINT8"]


def test_the_schema_is_not_imported_for_a_float_model():
    code = (
        "import sys; from lowlight_tf.runtime.loading import load_model; load_model('nano'); "
        "sys.exit('ai_edge_litert.schema_py_generated' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
