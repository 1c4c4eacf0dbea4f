"""ONNX: every text network as a graph of standard operators, for onnxruntime.

graph.py        values that can be added and multiplied, and the graph that this makes
layers.py       norms, attention, feed-forward;  transformer.py, luong.py, words.py the networks
target.py       the files;  answers.py onnxruntime as a decoder of `axw.decoding`

A network that writes is two graphs. encoder.onnx: source (b m) -> `source_...` arrays that stay as they are, and `said_...`
arrays that change, each with an axis of hypotheses. step.onnx: tokens (b w), both kinds of arrays -> log_p (b w V) and
`next_...`, which is `said_...` of the step after.
"""
