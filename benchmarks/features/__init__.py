"""What the feature store's benchmarks share: definitions, data, peers, one module per figure."""
