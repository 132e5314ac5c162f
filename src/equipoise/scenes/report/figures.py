"""What ``metrics.json`` holds, as rows of tables: plain values in, plain values out."""

from typing import Any

from equipoise.scenes.report.words import number

BASELINES = {"constant": "constants", "position": "per position"}


def data_sets(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of each data set by name; of one alone, without a name."""
    also: dict[str, Any] = metrics.get("also") or {}
    sigma = {"sigma": metrics.get("sigma")}
    return {"data" if also else "": metrics, **{str(name): {**figures, **sigma} for name, figures in also.items()}}


def set_result(name: str, metrics: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of one data set; ``title`` is empty for one alone."""
    measured = f"{number(metrics.get('images'))} images of “{metrics.get('split', '?')}”"
    return {
        "title": f"{name}: {measured}" if name else "",
        "rows": metric_rows(metrics, name),
        "details": detail_rows(metrics),
        "classes": class_rows(metrics, record),
    }


def metric_rows(metrics: dict[str, Any], data: str = "") -> list[dict[str, Any]]:
    """A row a task: its primary figure, beside the baselines, with the margins (positive: better)."""
    rows = []
    for task, primary in (metrics.get("primary") or {}).items():
        scale = 100 if primary["unit"] == "%" else 1
        sign = 1 if primary["better"] == "higher" else -1
        value = _scaled(_figures(metrics, task).get(primary["metric"]), scale)
        compared = []
        for name, figures in (metrics.get("baselines") or {}).items():
            reference = _scaled((figures or {}).get(task), scale)
            margin = None if value is None or reference is None else sign * (value - reference)
            compared.append(
                {
                    "name": BASELINES.get(name, name),
                    "value": number(reference),
                    "margin": margin,
                    "shown": "–" if margin is None else f"{margin:+.3g}".replace("-", "−"),
                    "better": margin is not None and margin > 0,
                }
            )
        rows.append(
            {
                "task": task,
                "judged": f"{task} ({data})" if data else task,
                "label": primary["label"],
                "unit": primary["unit"],
                "arrow": "↑" if sign > 0 else "↓",
                "better": primary["better"],
                "value": number(value),
                "baselines": compared,
                "sigma": number((metrics.get("sigma") or {}).get(task)),
            }
        )
    return rows


def detail_rows(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Every figure: task, name, value."""
    return [
        (task, name.replace("_", " "), number(value))
        for task in metrics.get("tasks") or {}
        for name, value in _figures(metrics, task).items()
        if not isinstance(value, dict)
    ]


def class_rows(metrics: dict[str, Any], record: dict[str, Any]) -> list[dict[str, Any]]:
    """Each class with its colour and IoU in %."""
    iou = _figures(metrics, "semantic").get("iou") or {}
    classes = (record.get("vocabulary") or {}).get("classes") or []
    colors = {c["name"]: c["color"] for c in classes}
    rows = []
    for name, value in iou.items():
        red, green, blue = (int(v) for v in colors.get(name, (128, 128, 128)))
        percent = _scaled(value, 100)
        shown = "–" if percent is None else f"{percent:.1f}"
        width = min(max(percent or 0.0, 0.0), 100.0)
        rows.append({"name": name, "color": f"rgb({red},{green},{blue})", "value": shown, "width": width})
    return rows


def score(metrics: dict[str, Any], task: str, value: Any) -> str:
    """One image's figure of a task, with its unit; empty where it has none."""
    primary = (metrics.get("primary") or {}).get(task)
    if primary is None or value is None:
        return ""
    return (
        f"{primary['label']} {number(_scaled(value, 100 if primary['unit'] == '%' else 1))} {primary['unit']}".strip()
    )


def _figures(metrics: dict[str, Any], task: str) -> dict[str, Any]:
    figures: dict[str, Any] = (metrics.get("tasks") or {}).get(task) or {}
    return figures


def _scaled(value: Any, scale: int) -> float | None:
    return None if value is None else scale * float(value)
