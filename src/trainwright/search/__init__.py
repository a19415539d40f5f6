"""Search for parameters: a space, what proposes and prunes trials, the loop, the ledger, and what to believe of it."""
