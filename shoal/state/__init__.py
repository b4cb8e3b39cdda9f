"""Redis: lanes, intake, facts, ledger, receipts, and the table of key families."""
