"""How it is measured: adapters, the plan, workers, metrics, timing, rows."""
