"""What a change would do, told from recorded decisions before anything is live."""

from nba.control.simulation.rendering import summary, tables, value_tables
from nba.control.simulation.report import (
    Figures,
    Losses,
    LossReason,
    OffPolicy,
    Reach,
    Row,
    SimulationReport,
    ValueDifference,
    ValueRow,
)
from nba.control.simulation.simulating import Branches, simulate

__all__ = [
    "Branches",
    "Figures",
    "LossReason",
    "Losses",
    "OffPolicy",
    "Reach",
    "Row",
    "SimulationReport",
    "ValueDifference",
    "ValueRow",
    "simulate",
    "summary",
    "tables",
    "value_tables",
]
