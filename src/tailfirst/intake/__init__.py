"""`tailfirst init`: a workspace from what people have."""

from tailfirst.intake.finish import finish_task
from tailfirst.intake.records import InitReport, InitRequest
from tailfirst.intake.task_checks import Problem
from tailfirst.intake.validate import ensure_valid, validate_task
from tailfirst.intake.workspace import init

__all__ = ["InitReport", "InitRequest", "Problem", "ensure_valid", "finish_task", "init", "validate_task"]
