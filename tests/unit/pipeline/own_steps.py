"""A module as a user would write it: correct and faulty stages, steps and engines, using public names only."""

import promptcot

CRITERIA = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability")


def write(request):
    """A problem whose length depends on the seed; judges call all but one in five perfect."""
    if "<!-- BEGIN" not in request.prompt and "Format" not in request.prompt and not request.prompt.startswith("Grow"):
        body = "<!-- BEGIN RATIONALE -->because<!-- END RATIONALE -->"
        return f"{body}<!-- BEGIN PROBLEM -->Find {'x' * (request.seed % 7)}.<!-- END PROBLEM -->"
    if request.prompt.startswith("Grow"):
        return promptcot.RequestRefused("no", "refused") if request.seed % 11 == 0 else request.prompt + "!"
    rating = "bad" if request.seed % 5 == 0 else "perfect"
    return "\n".join([*(f"{name}: {rating}" for name in CRITERIA), f"Final Judgement: {rating}"])


def no_engine(spec, role, site):
    return 5


async def open_broken(spec, role, site):
    return promptcot.ScriptedEngine(lambda request: 1 / 0, model="broken")


class Once(promptcot.ScriptedEngine):
    """Answers until it is closed."""

    closed = False

    async def complete(self, request):
        assert not self.closed
        return await super().complete(request)

    async def close(self):
        self.closed = True


def open_refusing(spec, role, site):
    return promptcot.ScriptedEngine(
        lambda request: write(request) if request.seed % 3 else promptcot.RequestRefused("no", "refused"), model="no"
    )


def open_once(spec, role, site):
    return Once(write, model="writer")


def open_writer(spec, role, site):
    return promptcot.ScriptedEngine(write, model="writer")


def open_uneven(spec, role, site):
    return promptcot.ScriptedEngine(write, model="writer", latency=lambda request: 0.002 * (request.seed % 9))


class Short:
    """Keeps short problems, and counts what it saw."""

    name = "short"

    def __init__(self, longest):
        self.longest, self.seen = longest, 0

    def apply(self, row):
        self.seen += 1
        return [{**row, "place": self.seen}] if len(row["problem"]) <= self.longest else promptcot.Drop("too long")

    def finish(self):
        return ()

    def summary(self):
        return {"short": {"seen": self.seen}}


class Pairs:
    """Joins two rows into one; a last single row is dropped."""

    name = "pairs"

    def __init__(self):
        self.held = None

    def apply(self, row):
        if self.held is None:
            self.held = row
            return []
        pair, self.held = {**self.held, "second": row["problem"]}, None
        return [pair]

    def finish(self):
        return [promptcot.Dropped(self.held, promptcot.Drop("alone"))] if self.held else []


class Groups:
    """Holds rows back until there are enough; the remaining ones are returned at the end."""

    name = "groups"

    def __init__(self, size):
        self.rows, self.size = [], size

    def apply(self, row):
        self.rows.append(row)
        if len(self.rows) < self.size:
            return []
        whole, self.rows = self.rows, []
        return whole

    def finish(self):
        return self.rows


class Several:
    """Makes several rows from one."""

    name = "several"

    def __init__(self, copies):
        self.copies = copies

    def apply(self, row):
        return [{**row, "id": f"{row['id']}-c{number}"} for number in range(self.copies)]

    def finish(self):
        return ()


class Shortest:
    """Selects the shortest problems when all rows have arrived."""

    name = "shortest"

    def __init__(self, size):
        self.rows, self.size = [], size

    def apply(self, row):
        self.rows.append(row)
        return []

    def finish(self):
        ranked = sorted(self.rows, key=lambda row: (len(row["problem"]), row["id"]))
        yield from ranked[: self.size]
        for row in ranked[self.size :]:
            yield promptcot.Dropped(row, promptcot.Drop("not selected"))


class Grow:
    """Asks a model to make a problem longer."""

    name = "grow"

    def __init__(self, sampling, seed, word="Grow"):
        self.sampling, self.seed, self.word = sampling, seed, word

    def ask(self, row):
        prompt = f"{self.word}: {row['problem']}"
        seed = promptcot.derive_seed(self.seed, row["id"])
        return [promptcot.Request(prompt=prompt, sampling=self.sampling, seed=seed)]

    def read(self, row, replies):
        return [{**row, "problem": replies[0].text}]


class Broken(Grow):
    def read(self, row, replies):
        return {"a": 1}["b"]


class Nonsense(Grow):
    def read(self, row, replies):
        return "a text"


class Silent(Grow):
    def ask(self, row):
        return None


class Worse:
    """Errors that a step can make at the end."""

    name = "worse"

    def __init__(self, how, folder):
        self.how, self.folder = how, folder

    def apply(self, row):
        row["changed"] = True
        return [] if self.how != "drops" else promptcot.Drop("all")

    def finish(self):
        if self.how == "raises":
            raise KeyError("b")
        if self.how == "drops":
            return [promptcot.Dropped({"id": "1"}, promptcot.Drop("twice"))]
        return {"nothing": None, "texts": ["a"], "summary": []}[self.how]

    def summary(self):
        return 5


class Fragile:
    """Fails on some rows."""

    name = "fragile"

    def apply(self, row):
        return [row] if row["id"] > "3" else [row["title"]]

    def finish(self):
        return ()


class OnDisk:
    """Remembers in its folder."""

    name = "on-disk"

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.file = folder / "seen"

    def apply(self, row):
        with self.file.open("a") as seen:
            seen.write(row["id"] + "\n")
        return [{**row, "seen": len(self.file.read_text().splitlines())}]

    def finish(self):
        return ()


class Changes:
    """Changes rows in place."""

    name = "changes"

    def apply(self, row):
        row["problem"] = "CHANGED"
        return [row]

    def finish(self):
        return ()


class Quiet(Grow):
    """Makes no calls, and says so."""

    def ask(self, row):
        return []

    def read(self, row, replies):
        return [{**row, "replies": len(replies)}]


def no_step():
    return 5
