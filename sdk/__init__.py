"""The client side of custody: home, settings, identities, ledger clients, store, spool, shipper, index."""
