"""PromptCoT from Python: a function for the whole run, one for each verb, and what they take and give.

`runs` has the whole pipeline and evaluations, `verbs` the single steps over rows in memory or files. All of them call
`pipeline.execute` (or the step itself, where no model is asked), as the command line does, and print nothing.
"""
