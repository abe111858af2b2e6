"""Reports that callers download."""

from cairn.domain.reports.calls import CallReport, Period, call_report

__all__ = ["CallReport", "Period", "call_report"]
