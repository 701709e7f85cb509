"""OpenAI, as far as calls that wait need it: responses, batches and files over time, and the books of what was bought.

`OpenAI` in `api.py` is the whole of it::

    async with OpenAI(seed=1, scale=3600) as api:  # an hour of the API's time is a second here
        ...                                        # whatever calls api.base_url
        assert api.ledger.count == 10_000
        assert not api.ledger.duplicates()
        assert not api.complaints                  # nothing was asked that the published types do not have

It tells the truth of what happened, whoever lives to hear it: an answer that was produced is bought.
Requests and answers are held against the types of the `openai` package, so that neither drifts.
"""
