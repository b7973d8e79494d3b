"""A/B pairs that can be believed, free of Prefect.

    definition, registration    the experiment file; resolved, hashed and laid out once
    fingerprint, validity       what a run starts from, and which two runs make a pair
    from_runs, matching         recorded runs as judged pairs
    concluding                  what came of an experiment: stopping, result, savings, report

    pairs, pairs_csv            the table of pairs and its checks, from anywhere
    protocol                    what is declared of the analysis beforehand
    statistics, ranks, totals,  pure functions of arrays
    success, sequential, power
    evidence, secondary         from a table to the numbers that decide
    verdict, wording            the decision rule, in words
    analysis, schema            everything, as one JSON object
    report, markdown, plots     JSON, Markdown, HTML and SVG

Nothing is imported here: most of it needs numpy and scipy, which cost a second.
"""
