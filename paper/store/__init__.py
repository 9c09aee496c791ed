"""What survives a kill: the journal of commands and steps, snapshots, credentials, the ledger."""
