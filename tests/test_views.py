"""What a saved view opens with: the charts of a study before those that MLflow makes by itself."""

from __future__ import annotations

from typing import Any

from vlatent.tracking import View


def test_a_view_with_parameters_opens_with_charts() -> None:
    view = View("Study s", {"study": "s"}, "objective/score", ("score",), ("a", "b"), ("score",))
    state: Any = view.state()
    sections, charts = state["compareRunSections"], state["compareRunCharts"]
    assert sections[0]["name"] == "Study s"
    assert [each["display"] for each in sections] == [True] + [False] * (len(sections) - 1)
    assert state["isAccordionReordered"]
    assert [each["type"] for each in charts] == ["PARALLEL", "LINE", "SCATTER", "SCATTER"]
    assert charts[0]["selectedParams"] == ["a", "b"]
    assert charts[0]["selectedMetrics"] == ["objective/score"]
    assert charts[2]["xaxis"] == {"key": "a", "type": "PARAM"}
    assert {each["metricSectionId"] for each in charts} == {sections[0]["uuid"]}
    assert len({each["uuid"] for each in charts}) == len(charts)
    assert View("plain", {}, "score", ("score",)).state()["compareRunCharts"] == []
