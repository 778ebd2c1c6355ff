"""Precision against recall, layouts of charts, hyperparameters: values of TensorBoard's plugins."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import need
from fgrad.functions.tensor import Tensor
from fgrad.utils.tensorboard.protos import array, of_plugin, proto, summary, tensor_of

TINY = 1e-7


def pr_counts(labels: Any, predictions: Any, thresholds: int, weights: Any) -> Any:
    """[true positives, false positives, true negatives, false negatives, precision, recall] at each threshold i / (n - 1)."""
    labels, predictions = array(labels), array(predictions)
    at = np.floor(predictions * (thresholds - 1)).astype(np.int32).reshape(-1)
    w = np.broadcast_to(np.asarray(1.0 if weights is None else array(weights), np.float64), labels.shape).reshape(-1)
    true = labels.astype(np.float64).reshape(-1)
    span = (0.0, float(thresholds - 1))
    positive, negative = (np.histogram(at, thresholds, span, weights=share * w)[0] for share in (true, 1.0 - true))
    tp, fp = (np.cumsum(x[::-1])[::-1] for x in (positive, negative))
    tn, fn = fp[0] - fp, tp[0] - tp
    return np.stack([tp, fp, tn, fn, tp / np.maximum(TINY, tp + fp), tp / np.maximum(TINY, tp + fn)])


def pr_curve(tag: str, data: Any, thresholds: int) -> Any:
    """A curve of six rows of counts."""
    content = proto("plugins.pr_curve.plugin_data_pb2").PrCurvePluginData(version=0, num_thresholds=thresholds).SerializeToString()
    values = data.reshape(-1).astype(float).tolist()
    return summary(tag, of_plugin("pr_curves", content), tensor=tensor_of("DT_FLOAT", data.shape, float_val=values))


def layout(categories: dict[str, dict[str, Any]]) -> Any:
    """Charts in categories: {category: {title: ["Multiline", tags] or ["Margin", [value, lower, upper]]}}."""
    kinds = proto("plugins.custom_scalar.layout_pb2")
    made = []
    for category, charts in categories.items():
        shown = []
        for title, (how, tags) in charts.items():
            if how == "Margin":
                if len(tags) != 3:
                    raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
                series = kinds.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
                shown.append(kinds.Chart(title=title, margin=kinds.MarginChartContent(series=[series])))
            else:
                shown.append(kinds.Chart(title=title, multiline=kinds.MultilineChartContent(tag=tags)))
        made.append(kinds.Category(title=category, chart=shown))
    held = tensor_of("DT_STRING", (), string_val=[kinds.Layout(category=made).SerializeToString()])
    return summary("custom_scalars__config__", of_plugin("custom_scalars"), tensor=held)


def check_hparams(given: Any, metrics: Any, domains: Any) -> None:
    """TypeError unless dicts, and domains lists of the values' own types."""
    for name, x in (("hparam_dict", given), ("metric_dict", metrics), ("hparam_domain_discrete", domains)):
        if type(x) is not dict:
            raise TypeError(f"{name} should be a dictionary.")
    for k, v in domains.items():
        if k not in given or not isinstance(v, list) or not all(isinstance(d, type(given[k])) for d in v):
            raise TypeError(f"parameter: hparam_domain_discrete[{k}] should be a list of same type as hparam_dict[{k}].")


def field_of(value: Any) -> tuple[str, str, Any]:
    """(field, kind, value) of a hyperparameter."""
    if isinstance(value, bool):
        return "bool_value", "DATA_TYPE_BOOL", value
    if isinstance(value, int | float):
        return "number_value", "DATA_TYPE_FLOAT64", value
    if isinstance(value, str):
        return "string_value", "DATA_TYPE_STRING", value
    if isinstance(value, Tensor):
        return "number_value", "DATA_TYPE_FLOAT64", float(array(value).reshape(-1)[0])
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")


def hparams(given: dict[str, Any], metrics: dict[str, Any], domains: dict[str, list[Any]]) -> list[Any]:
    """Three summaries: the experiment, a session's start, its end."""
    check_hparams(given, metrics, domains)
    api, data = proto("plugins.hparams.api_pb2"), proto("plugins.hparams.plugin_data_pb2")
    names, struct = proto("plugins.hparams.metadata"), need("google.protobuf.struct_pb2", "tensorboard")
    start, infos = data.SessionStartInfo(), []
    for k, v in given.items():
        if v is None:
            continue
        field, kind, number = field_of(v)
        setattr(start.hparams[k], field, number)
        values = [struct.Value(**{field: d}) for d in domains.get(k, ())]
        domain = struct.ListValue(values=values) if k in domains else None
        infos.append(api.HParamInfo(name=k, type=api.DataType.Value(kind), domain_discrete=domain))
    experiment = api.Experiment(hparam_infos=infos, metric_infos=[api.MetricInfo(name=api.MetricName(tag=k)) for k in metrics])
    end = data.SessionEndInfo(status=api.Status.Value("STATUS_SUCCESS"))
    parts = ((names.EXPERIMENT_TAG, {"experiment": experiment}), (names.SESSION_START_INFO_TAG, {"session_start_info": start}),
             (names.SESSION_END_INFO_TAG, {"session_end_info": end}))  # fmt: skip
    return [
        summary(tag, of_plugin(names.PLUGIN_NAME, data.HParamsPluginData(version=names.PLUGIN_DATA_VERSION, **part).SerializeToString()))
        for tag, part in parts
    ]
