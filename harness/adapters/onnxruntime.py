"""ONNX Runtime: the loss operators of ONNX as one-node models, `SoftmaxCrossEntropyLoss` before all.

Names are those of the operators of opset 13. A model is built with the package `onnx` for each operator, format
and attribute once, and run on the CPU provider. The runtime is one for inference: it has no gradients.
"""

from __future__ import annotations

import functools
from functools import partial
from typing import Any

from lossbench.harness.adapters.adapter import Array, unsupported
from lossbench.harness.adapters.adapter import Call as AnyCall
from lossbench.harness.adapters.numpy import NumpyAdapter

OPSET = 13
#: Version of the file format that every runtime with this opset reads.
IR_VERSION = 8

_Node = tuple[str, tuple[str, ...], tuple[tuple[str, Any], ...]]


@functools.cache
def _session(runtime: Any, nodes: tuple[_Node, ...], dtypes: tuple[tuple[str, int], ...]) -> Any:
    """A session of nodes in a row, each fed the one before it and further inputs; ranks of inputs from `dtypes`."""
    import numpy as np
    import onnx

    helper = onnx.helper
    kinds = [helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name, _ in dtypes]
    inputs = [
        helper.make_tensor_value_info(f"in{i}", kind, [None] * rank)
        for i, (kind, (_, rank)) in enumerate(zip(kinds, dtypes, strict=True))
    ]
    made, before = [], "in0"
    for i, (operator, further, attributes) in enumerate(nodes):
        made.append(helper.make_node(operator, [before, *further], [f"out{i}"], **dict(attributes)))
        before = f"out{i}"
    output = helper.make_tensor_value_info(before, kinds[0], None)
    graph = helper.make_graph(made, "loss", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(runtime: Any, nodes: tuple[_Node, ...], *arrays: Array) -> Array:
    """Run nodes on arrays; returns the last node's output."""
    session = _session(runtime, nodes, tuple((array.dtype.name, array.ndim) for array in arrays))
    result: Array = session.run(None, {f"in{i}": array for i, array in enumerate(arrays)})[0]
    return result


def _node(operator: str, *further: str, **attributes: Any) -> _Node:
    return operator, further, tuple(attributes.items())


_LOSS = _node("SoftmaxCrossEntropyLoss", "in1", reduction="none")
_NLL = _node("NegativeLogLikelihoodLoss", "in1", reduction="none")
_LOG_SOFTMAX = _node("LogSoftmax", axis=-1)

Call = partial(
    AnyCall,
    gradient=unsupported("ONNX Runtime is built for inference here, without gradients"),
)
INDEX = ("index",)

CALLS = (
    Call("softmax_xent", "SoftmaxCrossEntropyLoss", lambda r, z, y: run(r, (_LOSS,), z, y), INDEX),
    Call("softmax_xent", "LogSoftmax+NegativeLogLikelihoodLoss", lambda r, z, y: run(r, (_LOG_SOFTMAX, _NLL), z, y),
         INDEX),
    Call("prob_xent", "Log+NegativeLogLikelihoodLoss", lambda r, q, y: run(r, (_node("Log"), _NLL), q, y), INDEX),
    Call("sigmoid", "Sigmoid", lambda r, x: run(r, (_node("Sigmoid"),), x)),
    Call("softplus", "Softplus", lambda r, x: run(r, (_node("Softplus"),), x),
         lacks={"float64": unsupported("the CPU provider has no kernel of Softplus for float64")}),
    Call("softmax", "Softmax", lambda r, x: run(r, (_node("Softmax", axis=-1),), x)),
    Call("log_softmax", "LogSoftmax", lambda r, x: run(r, (_LOG_SOFTMAX,), x)),
    Call("logsumexp", "ReduceLogSumExp",
         lambda r, x: run(r, (_node("ReduceLogSumExp", axes=(-1,), keepdims=0),), x)),
)  # fmt: skip

_BINARY = unsupported("ONNX has no binary cross-entropy operator")
MISSING = {
    "softmax_xent:onehot": unsupported("SoftmaxCrossEntropyLoss takes class indices only"),
    "softmax_xent:soft": unsupported("SoftmaxCrossEntropyLoss takes class indices only"),
    "prob_xent:onehot": unsupported("NegativeLogLikelihoodLoss takes class indices only"),
    "prob_xent:soft": unsupported("NegativeLogLikelihoodLoss takes class indices only"),
    "sigmoid_bce": _BINARY,
    "multilabel_bce": _BINARY,
    "prob_bce": _BINARY,
    "margin_logistic": _BINARY,
    "sigmoid_mse": unsupported("ONNX has no squared-error operator"),
    "bernoulli_likelihood": unsupported("ONNX has losses, no likelihoods"),
    "bernoulli_log_likelihood": unsupported("ONNX has losses, no likelihoods"),
    "log_sigmoid": unsupported("ONNX has Sigmoid and Softplus, no operator for their composition"),
}
LACKS_DTYPES = {"bfloat16": unsupported("NumPy, whose arrays ONNX Runtime takes, has no bfloat16")}


class OnnxruntimeAdapter(NumpyAdapter):
    """ONNX Runtime's CPU provider on NumPy arrays. Optional: it needs the packages onnx and onnxruntime."""

    library = "onnxruntime"
    requires = ("onnxruntime", "onnx")
    distribution = "onnxruntime"
    lacks_dtypes = LACKS_DTYPES
    calls = CALLS
    missing = MISSING

    def load(self) -> Any:
        """Import ONNX Runtime; the package onnx, which builds the models, is imported with the first of them."""
        import onnx
        import onnxruntime

        assert onnx.defs.onnx_opset_version() >= OPSET
        return onnxruntime


ADAPTER = OnnxruntimeAdapter()
