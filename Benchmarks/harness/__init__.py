"""What `Benchmarks/bench` and `scripts/audit` are made of; see Benchmarks/README.md."""
