"""The benchmarks: the gateway's journey beside the ceiling of the machine it runs on."""
