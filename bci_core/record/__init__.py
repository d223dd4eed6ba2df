"""What is kept and read back: the ledger, recordings, exports."""
