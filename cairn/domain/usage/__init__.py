"""What models have used, who pays for it, and what may be spent in a month."""

from cairn.domain.usage.budgets import BudgetService, check_budget, require_budget
from cairn.domain.usage.ledger import Ledger, Reserved
from cairn.domain.usage.model import Asked, Budget, Request, UserBudget
from cairn.domain.usage.summary import Range, Summary, summarize

__all__ = [
    "Asked",
    "Budget",
    "BudgetService",
    "Ledger",
    "Range",
    "Request",
    "Reserved",
    "Summary",
    "UserBudget",
    "check_budget",
    "require_budget",
    "summarize",
]
