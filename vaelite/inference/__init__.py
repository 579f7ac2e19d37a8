"""What a fitted model's numbers mean: log p(x), bounds, gaps, estimators, a ledger."""
