"""The Python API of PromptCoT: a function for the whole run and one for each verb, with their arguments and results.

`runs` has the whole pipeline and evaluations; `verbs` has the single steps, over rows in memory or in files. Like the
command line, these functions call `pipeline.execute` (or the step itself, where no model is needed). They print
nothing.
"""
