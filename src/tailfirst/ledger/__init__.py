"""The ledger: rounds, labeling tasks, money, leases, deliveries and gates, on SQLite or PostgreSQL."""

from tailfirst.ledger.ledger import Ledger
from tailfirst.ledger.records import (
    AnnotationRow,
    ApprovalRow,
    CheckRow,
    CostRow,
    DeliveryRow,
    EventRow,
    LeaseRow,
    MoneyStatus,
    MonthRow,
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
    "LeaseRow",
    "Ledger",
    "MoneyStatus",
    "MonthRow",
    "NewTask",
    "RoundRow",
    "TaskRow",
]
