"""The rules of the ledger, and the hosts that run them."""
