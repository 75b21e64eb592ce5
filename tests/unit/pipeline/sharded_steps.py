"""Steps and an engine for shards: rows that fail, that cannot be read, that repeat others, and that become several."""

import promptcot

CRITERIA = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability")


def answer(request):
    """One call in nine is refused, and one problem in seven unreadable; there are only 40 different problems."""
    if request.seed % 9 == 0:
        return promptcot.RequestRefused(f"refused {request.seed}", "refused")
    if request.prompt.startswith("Grow"):
        return promptcot.Completion(request.prompt + "!", "stop", 5, 7)
    if "<!-- BEGIN" in request.prompt or "Format" in request.prompt:
        rating = "bad" if request.seed % 5 == 0 else "perfect"
        lines = [*(f"{name}: {rating}" for name in CRITERIA), f"Final Judgement: {rating}"]
        return promptcot.Completion("\n".join(lines), "stop", 11, 13)
    if request.seed % 7 == 0:
        return promptcot.Completion("no markup", "stop", 10, 2)
    body = "<!-- BEGIN RATIONALE -->because<!-- END RATIONALE -->"
    return promptcot.Completion(
        f"{body}<!-- BEGIN PROBLEM -->Find {'x' * (request.seed % 40)}.<!-- END PROBLEM -->", "stop", 10, 9
    )


def open_faulty(spec, role, site):
    return promptcot.ScriptedEngine(answer, model=spec.model)


class Distinct:
    """Drops repeated problems, and numbers those that it keeps."""

    name = "distinct"

    def __init__(self):
        self.seen = set()

    def apply(self, row):
        if row["problem"] in self.seen:
            return promptcot.Drop("seen")
        self.seen.add(row["problem"])
        return [{**row, "number": len(self.seen)}]

    def finish(self):
        return ()

    def summary(self):
        return {"distinct": len(self.seen)}


class Twice:
    """Makes two rows with the same id from one, none from some, and drops others."""

    name = "twice"

    def __init__(self, sampling, seed):
        self.sampling, self.seed = sampling, seed

    def ask(self, row):
        seed = promptcot.derive_seed(self.seed, row["id"])
        return [promptcot.Request(prompt="Grow " + row["problem"], sampling=self.sampling, seed=seed)]

    def read(self, row, replies):
        if len(row["problem"]) % 6 == 0:
            return []
        if len(row["problem"]) % 6 == 1:
            return promptcot.Drop("too even", details={"length": len(row["problem"])})
        return [row, {**row, "problem": replies[0].text}]
