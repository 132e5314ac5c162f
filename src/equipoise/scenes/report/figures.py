"""What ``metrics.json`` holds, as rows of tables: plain values in, plain values out."""

from typing import Any

from equipoise.scenes.wording import counted, decimals, fixed, percent, significant

BASELINES = {"constant": "constants", "position": "per position"}


def data_sets(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of each data set by name; of one alone, without a name."""
    also: dict[str, Any] = metrics.get("also") or {}
    sigma = {"sigma": metrics.get("sigma")}
    return {"data" if also else "": metrics, **{str(name): {**figures, **sigma} for name, figures in also.items()}}


def set_result(name: str, metrics: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of one data set; ``title`` is empty for one alone."""
    return {
        "title": f"{name}: {measured(metrics)}".rstrip(": ") if name else "",
        "rows": metric_rows(metrics, name),
        "details": detail_groups(metrics),
        "classes": class_rows(metrics, record),
    }


def measured(metrics: dict[str, Any]) -> str:
    """On what the figures were measured; empty where that is not recorded."""
    return (
        f"{counted(metrics.get('images'), 'image')} of “{metrics.get('split', '?')}”" if metrics.get("images") else ""
    )


def metric_rows(metrics: dict[str, Any], data: str = "") -> list[dict[str, Any]]:
    """A row a task: its primary figure, beside the baselines, with the margins (positive: better).

    All of a row have the decimals that give its model three significant figures. ``data`` names one of several data
    sets; ``images`` is on what the only one was measured.
    """
    images = counted(metrics.get("images"), "image")
    where = {"data": f"{data}, {images}" if data else "", "images": "" if data else measured(metrics)}
    return [_row(metrics, task, primary) | where for task, primary in (metrics.get("primary") or {}).items()]


def _row(metrics: dict[str, Any], task: str, primary: dict[str, Any]) -> dict[str, Any]:
    scale, sign = _scale(primary), 1 if primary["better"] == "higher" else -1
    value = _scaled(_figures(metrics, task).get(primary["metric"]), scale)
    references = {
        BASELINES.get(name, name): _scaled((figures or {}).get(task), scale)
        for name, figures in (metrics.get("baselines") or {}).items()
    }
    return {
        "task": task,
        "label": primary["label"],
        "unit": primary["unit"],
        "arrow": "↑" if sign > 0 else "↓",
        "better": primary["better"],
        "value": fixed(value, decimals(value)),
        "baselines": [_compared(name, value, reference, sign) for name, reference in references.items()],
        "sigma": significant((metrics.get("sigma") or {}).get(task)),
    }


def _compared(name: str, value: float | None, reference: float | None, sign: int) -> dict[str, Any]:
    """A baseline beside the model."""
    margin = None if value is None or reference is None else sign * (value - reference)
    places = decimals(value)
    return {
        "name": name,
        "value": fixed(reference, places),
        "margin": margin,
        "shown": fixed(margin, places, sign=True),
        "better": margin is not None and margin > 0,
    }


def detail_groups(metrics: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every figure: the name with its unit, and the value, by task."""
    groups = []
    for task in metrics.get("tasks") or {}:
        primary = (metrics.get("primary") or {}).get(task) or {}
        figures = [
            (_named(name, primary), significant(_scaled(value, _scale(primary))))
            for name, value in _figures(metrics, task).items()
            if not isinstance(value, dict)
        ]
        groups.append((task, figures))
    return [group for group in groups if group[1]]


WITHOUT_UNIT = ("abs_rel", "rmse_log", "delta_1", "delta_2", "delta_3", "share_in_metres")
UNITS = {"rmse_m": "m"} | dict.fromkeys(WITHOUT_UNIT, "")
"""Figures that are not in the unit of their task's primary one, and theirs."""


def _named(name: str, primary: dict[str, Any]) -> str:
    """A figure as Results calls it, or by its own name; most of a task are in the unit of its primary one."""
    unit = UNITS.get(name, primary.get("unit") or "")
    plain = name.removesuffix(f"_{unit}").replace("_", " ")
    label = primary["label"] if name == primary.get("metric") else plain
    return f"{label}, {unit}" if unit else label


def class_rows(metrics: dict[str, Any], record: dict[str, Any]) -> list[dict[str, Any]]:
    """Each class with its colour and IoU in %."""
    iou = _figures(metrics, "semantic").get("iou") or {}
    classes = (record.get("vocabulary") or {}).get("classes") or []
    colors = {c["name"]: c["color"] for c in classes}
    rows = []
    for name, value in iou.items():
        red, green, blue = (int(v) for v in colors.get(name, (128, 128, 128)))
        width = min(max(100 * float(value or 0.0), 0.0), 100.0)
        rows.append({"name": name, "color": f"rgb({red},{green},{blue})", "value": percent(value), "width": width})
    return rows


def legend(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name and colour of each class that occurs in some data set."""
    shown = [row for result in results for row in result["classes"] if row["value"] != "–"]
    return list({row["name"]: row for row in shown}.values())


def score(metrics: dict[str, Any], task: str, value: Any) -> str:
    """One image's figure of a task, with its unit; empty where it has none."""
    primary = (metrics.get("primary") or {}).get(task)
    if primary is None or value is None:
        return ""
    return f"{primary['label']} {significant(_scaled(value, _scale(primary)))} {primary['unit']}".strip()


def _figures(metrics: dict[str, Any], task: str) -> dict[str, Any]:
    figures: dict[str, Any] = (metrics.get("tasks") or {}).get(task) or {}
    return figures


def _scale(primary: dict[str, Any]) -> int:
    return 100 if primary.get("unit") == "%" else 1


def _scaled(value: Any, scale: int) -> float | None:
    return None if value is None else scale * float(value)


def figure_name(name: str, primary: dict[str, Any]) -> str:
    """What the page calls a figure of a task with this primary one, with its unit."""
    return _named(name, primary)


def figure_value(value: float | None, primary: dict[str, Any]) -> float | None:
    """A figure as the page shows it: shares in % where the primary one is."""
    return _scaled(value, _scale(primary))
