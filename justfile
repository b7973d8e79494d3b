# What a developer types: `uv run just RECIPE`. `.ci/run` does the same, in this order.

set positional-arguments

_default:
    @just --list --unsorted

# Install the project with everything that the other recipes need.
install:
    @uv sync --quiet
    @# Once, and not in each of the hundreds of processes that the tests start.
    @uv run --no-sync python -m compileall -q autopack blocks tasks flows deployments autopack_flows

# Look for mistakes and for what is not formatted.
lint:
    uv run --no-sync ruff check .
    uv run --no-sync ruff format --check .

# Check the types.
types:
    uv run --no-sync basedpyright

# Run the tests; options are pytest's.
[no-exit-message]
test *options:
    @uv run --no-sync pytest "$@"

# Run the tests, and those that take minutes each.
[no-exit-message]
full *options:
    @uv run --no-sync pytest --full "$@"

# Print what a run costs on top of bare Prefect.
bench *options:
    @uv run --no-sync python tests/bench/orchestration.py "$@"

# Build the documentation into site/; a broken link or any other warning fails.
docs:
    @PYTHONPATH=.ci uv run --no-sync zensical build --clean --strict

# Show the documentation while it is written.
serve:
    @PYTHONPATH=.ci uv run --no-sync zensical serve

# Write the generated pages again: docs/reference/ and the drawing in docs/architecture.md.
reference:
    @PYTHONPATH=tests uv run --no-sync python -m support.reference
