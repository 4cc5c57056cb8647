"""``/v1/reports``: what the log says about what was decided."""

from __future__ import annotations

from functools import partial

import msgspec

from nba.access import Permission
from nba.bootstrap import open_log
from nba.errors import NbaError
from nba.serving.apart import Apart
from nba.serving.endpoint import Call, Operation
from nba.serving.problems import Reply, problem
from nba.settings import Settings


class ReportEndpoints:
    """Handlers for reports; each is made in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._apart = Apart("report")

    def operations(self) -> dict[str, dict[str, Operation]]:
        """Return what is answered, by path and method."""
        return {"/v1/reports/shadow": {"GET": Operation(Permission.READ_DECISIONS, self.shadow)}}

    async def shadow(self, _: Call) -> Reply:
        """Answer ``GET /v1/reports/shadow``; 429 while another report is made."""
        return await self._apart.run(partial(_shadow, self._settings))


def _shadow(settings: Settings) -> Reply:
    """Report; whatever goes wrong is answered here, as errors do not pass between processes."""
    from nba.measurement.shadow import report_shadow

    try:
        report = report_shadow(open_log(settings))
    except NbaError as error:
        return problem(error)
    return Reply(msgspec.json.encode(report.to_builtins()))
