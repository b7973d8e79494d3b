"""A/B pairs that can be believed: statistics on a table of pairs, free of Prefect and of runs.

    pairs, pairs_csv            the table and its checks
    protocol                    what is declared beforehand
    statistics, ranks, totals,  pure functions of arrays
    success, sequential, power
    evidence, secondary         from a table to the numbers that decide
    verdict, wording            the decision rule, in words
    analysis, schema            everything, as one JSON object
    report, plots               JSON, Markdown, HTML and SVG

Nothing is imported here: most of it needs numpy and scipy, which cost a second.
"""
