"""A record on one page: what was compared, how sure that is, what it cost, and single runs step by step."""

from at2.bench.report.page import write_report

__all__ = ["write_report"]
