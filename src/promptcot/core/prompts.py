"""A domain's prompts: compiled templates, one for each conversation, the criteria of its judges, and what else it says
of itself; with hashes of the files.

Templates are Jinja2, compiled from text in a sandbox that can load nothing else; a variable that a template uses and
nobody gives is an error. Text from models is only ever a variable, never a template. A template renders the raw prompt;
in chat it is the user's turn, after a system turn where the domain has a `CONVERSATION.system` template.

A judge's template gets, beside `concepts`, `level`, `material` and `criteria`, a `mark` to fence the material with: it
is made from a hash of that material, so the material cannot contain it. The annotators' templates get one too.

A judge's template that uses `own_mark` asks for lines that begin with it, which the material cannot contain either;
with an empty one it renders what it did before it asked for marks. A verifier's template gets the same about the
problem alone, and the criteria of `verify.toml`. Where the files are is in `promptcot.domains`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from promptcot.core.criteria import Criteria, parse_criteria
from promptcot.core.domains import Domain
from promptcot.core.parsing.folding import letters
from promptcot.core.verification import Verification, parse_verification
from promptcot.errors import InputError
from promptcot.records import Message

CRITERIA = "criteria.toml"
VERIFICATION = "verify.toml"

_PLAIN = "abcdefghkpqrstvxyz234567"


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one domain, and its `settings`. `hashes` holds the SHA-256 of each source file, for manifests.

    `verification` is what verifiers are asked, in a domain that has it.
    """

    domain: str
    templates: Mapping[str, Template] = field(repr=False)
    criteria: Criteria
    hashes: Mapping[str, str]
    sources: Mapping[str, str] = field(repr=False)
    settings: Domain
    verification: Verification | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process go the sources: compiled templates cannot be sent."""
        return compile_prompts, (self.domain, dict(self.sources), self.settings)

    def render(self, conversation: str, **variables: Any) -> str:
        """The raw prompt of a conversation. Raises InputError if the domain lacks it or it uses an unknown variable."""
        template = self.templates.get(conversation)
        if template is None:
            raise InputError(
                f"prompts {self.domain}: there is no {conversation}.jinja, so nobody can be asked to {conversation}; "
                f"there are {', '.join(sorted(self.templates))}"
            )
        try:
            return template.render(**variables)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"prompts {self.domain}: {conversation}.jinja: {error}") from error

    def messages(self, conversation: str, **variables: Any) -> tuple[Message, ...]:
        """The same as chat turns: the system's, where the domain has one, and the user's."""
        user = Message("user", self.render(conversation, **variables))
        system = f"{conversation}.system"
        if system not in self.templates:
            return (user,)
        return Message("system", self.render(system, **variables)), user

    def judging(self, concepts: Sequence[str], level: str, material: str, seed: int = 0) -> dict[str, Any]:
        """The variables of the judge's conversation. `own_mark` is empty where its template asks for none."""
        shown = {"concepts": list(concepts), "level": level, "material": material}
        content = json.dumps([*shown.values()])
        own_mark = own_mark_for("\n".join([*concepts, level, material]), seed) if self.asks_for_marks("judge") else ""
        return {**shown, "criteria": self.criteria, "mark": mark_for(content), "own_mark": own_mark}

    def verifying(self, problem: str, seed: int) -> dict[str, Any]:
        """The variables of the verifier's conversation. `own_mark` is empty where its template asks for none.

        Raises InputError where the domain does not say what verifiers are asked.
        """
        own_mark = own_mark_for(problem, seed) if self.asks_for_marks("verify") else ""
        asked = self.asked_of_verifiers()
        lines = {"criteria": asked.criteria, "verdict": asked.verdict}
        return {"problem": problem, **lines, "mark": mark_for(problem), "own_mark": own_mark}

    def asked_of_verifiers(self) -> Verification:
        """What verifiers are asked. Raises InputError where a file of it is missing."""
        missing = [] if "verify" in self.templates else ["verify.jinja"]
        missing += [] if self.verification else [VERIFICATION]
        if self.verification is None or missing:
            raise InputError(
                f"prompts {self.domain}: there is no {' and no '.join(missing)}, so nobody can be asked to verify; "
                "take another model and the domain that it knows, such as math; or write both: `promptcot init` has "
                "them for a new domain, to copy and change"
            )
        return self.verification

    def asks_for_marks(self, conversation: str) -> bool:
        """Whether a model is to mark its own lines."""
        return conversation in self._marked

    @cached_property
    def _marked(self) -> frozenset[str]:
        """The conversations whose templates use the model's own mark."""
        templates = {name: text for name, text in self.sources.items() if name.endswith(".jinja")}
        marked = (name for name, text in templates.items() if "own_mark" in _variables(text))
        return frozenset(name.removesuffix(".jinja").removesuffix(".system") for name in marked)


def _variables(source: str) -> set[str]:
    """What a template uses and does not set itself."""
    return meta.find_undeclared_variables(_environment().parse(source))


def compile_prompts(domain: str, sources: Mapping[str, str], settings: Domain) -> PromptSet:
    """The prompts in `sources`, from file name (`judge.jinja`, `criteria.toml`) to text.

    Raises InputError where a template or criteria cannot be parsed; KeyError without criteria.
    """
    templates = {
        name.removesuffix(".jinja"): _compile(source, f"prompts {domain}: {name}")
        for name, source in sources.items()
        if name.endswith(".jinja")
    }
    hashes = {name: hashlib.sha256(source.encode()).hexdigest() for name, source in sources.items()}
    criteria = parse_criteria(sources[CRITERIA], f"prompts {domain}: {CRITERIA}")
    asked = sources.get(VERIFICATION)
    verification = None if asked is None else parse_verification(asked, f"prompts {domain}: {VERIFICATION}")
    return PromptSet(domain, templates, criteria, hashes, sources, settings, verification)


def _compile(source: str, where: str) -> Template:
    try:
        return _environment().from_string(source)
    except TemplateSyntaxError as error:
        raise InputError(f"{where}: line {error.lineno}: {error.message}") from error


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,  # prompts are plain text; what is shown as HTML is escaped where it is shown
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def mark_for(content: str) -> str:
    """A fence for `content`: sixteen hex digits that do not occur in it, the same for the same content."""
    salt = 0
    while (mark := hashlib.sha256(f"{salt}\n{content}".encode(errors="surrogatepass")).hexdigest()[:16]) in content:
        salt += 1
    return mark


def own_mark_for(content: str, seed: int) -> str:
    """A word of eight letters and digits that does not occur in `content`, even in letters that only look alike.

    It is the same for the same content and seed, and is made otherwise than the fence's, so that a repeated fence is no
    mark.
    """
    said = letters(content)
    salt = 0
    while (mark := _word(f"own\n{seed}\n{salt}\n{content}")) in said:
        salt += 1
    return mark


def _word(text: str) -> str:
    """Drawn from letters and digits that are not easily confused."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return "".join(_PLAIN[byte % len(_PLAIN)] for byte in digest[:8])
