"""Saved views: tables of some runs, with the columns that matter, that MLflow's page opens on.

MLflow keeps a view as a tag of the experiment: a name and the deflated state of the page. The page
lists it under "Views", and a link opens it. The state is that of MLflow 3.17; nothing documents
it, so a browser test opens what is kept here.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlatent.runtime.addresses import shown
from vlatent.tracking.address import address_of, is_server, view_command
from vlatent.tracking.calls import milliseconds, valid_name
from vlatent.tracking.store import experiment_id, having, usable
from vlatent.tracking.tracker import TrackingConfig

MOST = 100  # runs in a chart
TAG = "mlflow.sharedViewState."
# Where MLflow puts the charts of whatever it finds in the runs: hundreds, so closed at first.
FOLDED = (
    *("Model metrics", "objective", "margin", "statistic", "dependence"),
    *("penalty", "weighted", "statistic_by_channel"),
)
LOCAL = "http://127.0.0.1:5000"  # where a bare `mlflow ui` listens


@dataclass(frozen=True)
class View:
    """What is shown of which runs.

    Attributes:
        name: What MLflow's pages call it.
        tags: The runs that have all these tags.
        order_by: Metric by which they are sorted, the largest first.
        metrics: Columns of the table.
        params: More columns of the table; charts show what `order_by` comes to under each.
        lines: Metrics that are charted over the steps.
        ascending: Whether the smallest comes first instead.
    """

    name: str
    tags: Mapping[str, str]
    order_by: str
    metrics: Sequence[str]
    params: Sequence[str] = ()
    lines: Sequence[str] = ()
    ascending: bool = False

    @property
    def key(self) -> str:
        """What links call it; a view of the same name takes the place of this one."""
        return "".join(c if c.isalnum() else "-" for c in self.name)

    def state(self) -> dict[str, object]:
        """The state of MLflow's page of runs."""
        columns = [f"metrics.`{valid_name(name)}`" for name in self.metrics]
        columns += [f"params.`{valid_name(name)}`" for name in self.params]
        return {
            "searchFilter": having(self.tags),
            "orderByKey": f"metrics.`{valid_name(self.order_by)}`",
            "orderByAsc": self.ascending,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": columns,
            "columnOrder": [],
            "columnWidths": {},
            "runsHiddenMode": "FIRST_10_RUNS",
            "hideEmptyCharts": True,
            "groupBy": None,
            "groupsExpanded": {},
            "compareRunSections": [
                {"uuid": name, "name": name, "display": name not in FOLDED, "isReordered": True}
                for name in (self.name, *FOLDED)
            ],
            "compareRunCharts": self._charts(),
            "isAccordionReordered": True,  # else they are sorted by name
        }

    def _charts(self) -> list[dict[str, object]]:
        """All parameters at once, each of them by itself, and the lines."""
        reached = valid_name(self.order_by)
        params = [valid_name(name) for name in self.params]
        charts: list[dict[str, object]] = []
        if params:
            selected = {"selectedParams": params, "selectedMetrics": [reached], "showAllRuns": True}
            charts.append({"type": "PARALLEL", "runsCountToCompare": MOST} | selected)
        for name in map(valid_name, self.lines):
            charts.append(
                {"type": "LINE", "runsCountToCompare": MOST}
                | {"metricKey": name, "selectedMetricKeys": [name], "displayName": name}
                | {"lineSmoothness": 0, "scaleType": "linear", "xAxisScaleType": "linear"}
                | {"xAxisKey": "step", "yAxisKey": "metric", "yAxisExpressions": []}
                | {"range": {}, "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True}
            )
        for name in params:
            axes = {
                "xaxis": {"key": name, "type": "PARAM"},
                "yaxis": {"key": reached, "type": "METRIC"},
            }
            charts.append({"type": "SCATTER", "runsCountToCompare": MOST} | axes)
        return [
            {"uuid": f"{self.key}-{place}", "metricSectionId": self.name}
            | {"deleted": False, "isGenerated": False}
            | chart
            for place, chart in enumerate(charts)
        ]


def keep_view(tracking: TrackingConfig, view: View) -> None:
    """Save a view in the experiment.

    Raises:
        UserError: The store cannot be used.
    """
    address = address_of(tracking)
    packed = base64.b64encode(zlib.compress(json.dumps(view.state()).encode())).decode()
    now = milliseconds()
    saved = {"name": view.name, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"}
    with usable(address) as client:
        experiment = experiment_id(address, tracking.experiment)
        client.set_experiment_tag(experiment, TAG + view.key, json.dumps(saved))


def view_instructions(tracking: TrackingConfig, view: View) -> str:
    """How to see a view: the command that shows the store, and the page to open."""
    address = address_of(tracking)
    experiment = experiment_id(address, tracking.experiment)
    page = f"/#/experiments/{experiment}/runs?viewStateShareKey={view.key}"
    page += "&workflowType=machine_learning"  # else it opens among the pages for chat programs
    if is_server(address):
        return f"{shown(address)}{page}"
    return f"{view_command(tracking)}, then open {LOCAL}{page}"
