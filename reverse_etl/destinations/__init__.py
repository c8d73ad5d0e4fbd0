"""One module per vendor: how a batch is sent and what the answers mean."""
