"""The ledger: rounds, labeling tasks, money, leases, deliveries and gates, on SQLite or PostgreSQL."""

from tailfirst.ledger.ledger import Ledger
from tailfirst.ledger.records import (
    AnnotationRow,
    ApprovalRow,
    CheckRow,
    CostRow,
    DeliveryRow,
    EventRow,
    InboxStatus,
    LeaseRow,
    MissRate,
    MoneyStatus,
    MonthRow,
    NewHint,
    NewTask,
    RoundRow,
    TaskRow,
)

__all__ = [
    "AnnotationRow",
    "ApprovalRow",
    "CheckRow",
    "CostRow",
    "DeliveryRow",
    "EventRow",
    "InboxStatus",
    "LeaseRow",
    "Ledger",
    "MissRate",
    "MoneyStatus",
    "MonthRow",
    "NewHint",
    "NewTask",
    "RoundRow",
    "TaskRow",
]
