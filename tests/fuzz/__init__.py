"""Attacks on what is promised: generators, bounded tests of them, and what benchmarks/fuzz_*.py run for long."""
