"""Fuzzing: generators of bad inputs, short tests with them, and the code that benchmarks/fuzz_*.py run for longer."""
