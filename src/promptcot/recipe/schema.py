"""The sections of a recipe: which keys exist, their defaults and their bounds. Nothing is opened or loaded here."""

from __future__ import annotations

import inspect
import json
import shlex
from dataclasses import fields
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from promptcot import domains
from promptcot.core.sections import SECRET, NotEmpty, Positive, Section
from promptcot.errors import RecipeError
from promptcot.recipe import addresses, import_path
from promptcot.recipe.engines import checked_engine
from promptcot.recipe.keyless import options_without_key
from promptcot.records import Sampling
from promptcot.redaction import is_variable, keys_in

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


EngineName = Annotated[str, AfterValidator(checked_engine)]


_NO_VARIABLE = (
    "this is the name of the environment variable that holds the key, such as OPENAI_API_KEY, and not the key itself; "
    "a name that is not in capitals is accepted if it is set. The value is not repeated here"
)


_LENGTHS = {"max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens"}


Seconds = Annotated[float, Field(gt=0)]


def _several(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else [given]


Sizes = Annotated[list[Positive], Field(min_length=1), BeforeValidator(_several)]
"""One or more numbers, written as a number or as a list."""


class Limits(Section):
    """The limits of a run: it stops at `target` accepted problems, or after `max_candidates` combinations.

    `max_cost` limits the cost of models with a price, including earlier runs into the same directory. `models` says
    whether vLLM servers run side by side or one after the other; `auto` checks whether they fit.
    """

    target: Positive | None = None
    max_candidates: Positive | None = None
    concurrency: Positive = 256
    max_cost: Annotated[float, Field(gt=0)] | None = None
    models: Literal["auto", "together", "in turn"] = "auto"

    @property
    def candidates(self) -> int:
        """The most combinations to sample: the setting; else 1,000 for each problem of the target; else 64."""
        return self.max_candidates or (1000 * self.target if self.target else 64)


class Concepts(Section):
    """The source of seed combinations: a file, or a shipped catalogue, `contest` or `nano`.

    The default is the concepts of the domain, if it has some (`loading`).
    """

    path: str = "nano"


class Price(Section):
    """The price of a million tokens, in one currency for the whole recipe. Without it no cost is shown."""

    prompt: Annotated[float, Field(ge=0)]
    completion: Annotated[float, Field(ge=0)]

    longest: Annotated[int, Field(ge=0, exclude=True)] = 0

    def of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """The cost of these tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class Served(Section):
    """A model and its engine: this process (`local`), a vLLM server that we start, or any server at `base_url`.

    `auto` is `openai` if a `base_url` is given, `local` for the embedded models, vLLM if it and a GPU are found,
    and else `local`. The key of a server is read from the environment variable `api_key_env`. On a cluster the server
    has `replicas` replicas of `n_gpus` GPUs each; by default as many as the model's share of the cluster allows.
    """

    model: str = "nano"
    tokenizer: str | None = None
    dtype: Dtype = "auto"
    engine: EngineName = "auto"
    n_gpus: Annotated[int, Field(ge=0)] = 0
    replicas: Annotated[Positive | None, Field(exclude_if=lambda replicas: replicas is None)] = None
    engine_args: Annotated[list[str], AfterValidator(options_without_key)] = []
    base_url: list[str] = []
    api_key_env: str = "OPENAI_API_KEY"
    price: Price | None = None
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    idle_timeout: Annotated[float, Field(gt=0)] | None = None
    queue_timeout: Annotated[Seconds | None, Field(exclude_if=lambda seconds: seconds is None)] = None
    omit: list[str] = []
    extra_body: dict[str, Any] = {}

    @field_validator("engine_args", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return shlex.split(given) if isinstance(given, str) else given

    @field_validator("base_url", mode="before")
    @classmethod
    def _one_url(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("base_url")
    @classmethod
    def _urls(cls, urls: list[str]) -> list[str]:
        try:
            return [addresses.plain(url) for url in urls]
        except addresses.HoldsSecret as error:
            raise PydanticCustomError(SECRET, "{words}", {"words": str(error)}) from None

    @field_validator("api_key_env")
    @classmethod
    def _variable(cls, name: str) -> str:
        if name and not is_variable(name):
            raise PydanticCustomError(SECRET, "{words}", {"words": _NO_VARIABLE})
        return name

    @field_validator("extra_body")
    @classmethod
    def _no_key(cls, body: dict[str, Any]) -> dict[str, Any]:
        if key := next(keys_in(body), None):
            words = f"{key} would be written to files: put the key into the variable that api_key_env names"
            raise PydanticCustomError(SECRET, "{words}", {"words": words})
        return body

    @property
    def unnamed(self) -> bool:
        """Whether this is a server's only model, used without naming it."""
        return bool(self.base_url) and self.model == type(self).model_fields["model"].default

    @property
    def priced(self) -> Price | None:
        """The price, with the limit that `extra_body` sets on the length of a reply."""
        limits = [value for name, value in self.extra_body.items() if name in _LENGTHS and isinstance(value, int)]
        return self.price and self.price.model_copy(update={"longest": max(limits, default=0)})

    @model_validator(mode="after")
    def _needs_url(self) -> Self:
        if self.engine == "openai" and not self.base_url:
            raise ValueError(
                'engine = "openai" needs base_url, such as http://localhost:8000/v1 (--base-url; for a recipe, '
                "--set server.base_url=URL)"
            )
        if self.base_url and self.engine not in ("auto", "openai"):
            raise ValueError(f"base_url and engine = {self.engine!r} cannot be combined: a URL is called over HTTP")
        return self


class Encode(Served):
    """The embedding model for concepts. `path` names existing vectors; with `skip` there are none.

    Without vectors, concepts are drawn by co-occurrence counts alone.
    """

    path: str | None = None
    skip: bool = False


def _sizes() -> list[int]:
    return list(domains.settings(domains.DEFAULT).sizes)


def _levels() -> list[str]:
    return list(domains.settings(domains.DEFAULT).levels)


class Sample(Section):
    """How combinations are drawn. Of several sizes one is drawn uniformly, and so is the level, unless `fit_levels` is
    set: then it is drawn by the levels of the seed combinations that hold the same concepts. The default sizes and
    levels are those of the domain (`loading`).
    """

    size: Sizes = Field(default_factory=_sizes)
    temperature: Annotated[float, Field(gt=0)] = 0.2
    counts: Literal["raw", "log1p"] = "raw"
    levels: Annotated[list[str], Field(min_length=1)] = Field(default_factory=_levels)
    fit_levels: Annotated[bool, Field(exclude_if=lambda fit: not fit)] = False
    prompt_like: str | None = None


def _unset(given: Any) -> bool:
    """Whether a key is not set; such a key is not saved either."""
    return given in (None, [])


class Model(Served):
    """A model that is called, and its sampling settings.

    `temperature`, `top_p` and `repetition_penalty` are sent with every call; `top_k`, `min_p`, `presence_penalty` and
    `stop` (texts before which a completion ends) where they are set.
    """

    chat: bool = False
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.6
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    repetition_penalty: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    top_k: Annotated[Positive | None, Field(exclude_if=_unset)] = None
    min_p: Annotated[float | None, Field(ge=0, le=1, exclude_if=_unset)] = None
    presence_penalty: Annotated[float | None, Field(ge=-2, le=2, exclude_if=_unset)] = None
    stop: Annotated[list[NotEmpty], BeforeValidator(_several), Field(exclude_if=_unset)] = []
    max_tokens: Positive = 4096

    @property
    def sampling(self) -> Sampling:
        settings = {part.name: getattr(self, part.name) for part in fields(Sampling)}
        return Sampling(**{**settings, "stop": tuple(self.stop)})


class Generator(Model):
    """The model that writes problems."""

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0


class Judge(Model):
    """A judge: a model with a name, which its verdicts carry."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)


def names_differ(models: list[Named]) -> list[Named]:
    """The models, if their names are different. Raises ValueError."""
    names = [one.name for one in models]
    if len(set(names)) < len(names):
        raise ValueError(f"two {type(models[0]).__name__.lower()}s have the same name ({', '.join(names)})")
    return models


Judges = Annotated[list[Judge], Field(min_length=1), AfterValidator(names_differ)]


class Filter(Section):
    """Which problems are kept: those that all judges rate perfect, or those with one perfect verdict and no bad one."""

    only_perfect: bool = True


class OwnStep(Section):
    """A custom step, placed after the step `after`, or else at the end. `use` is called with `options` to create it.

    Besides its options `use` gets the arguments that it has parameters for: a step without a model gets `folder`, for
    data that grows with the number of rows; a stage, which has a `model`, gets `sampling` and `seed`. `role` is the
    embedded model that `nano` stands for. With `at_end` the step emits its rows after all input, so a target is counted
    before it.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    use: Any
    after: str | None = None
    options: dict[str, Any] = {}
    model: Model | None = None
    role: str = "generator"
    at_end: bool = False

    @field_validator("use")
    @classmethod
    def _can_be_called(cls, use: Any) -> Any:
        target = import_path.load(use) if isinstance(use, str) else use
        if not callable(target):
            raise ValueError(f"{use!r} is not a class or function that creates the step")
        return use

    @field_validator("options")
    @classmethod
    def _plain(cls, options: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"they are saved with the recipe, as JSON ({error})") from error
        return Served._no_key(options)

    @field_serializer("use", when_used="json")
    def _named(self, use: Any) -> str:
        return import_path.path_of(use)

    @property
    def used(self) -> str:
        """The import path of the class or function that creates the step."""
        return import_path.path_of(self.use)

    def made(self, **more: Any) -> Any:
        """The stage or step. Raises RecipeError if it cannot be created or is neither."""
        use = import_path.load(self.use) if isinstance(self.use, str) else self.use
        try:
            known = inspect.signature(use).parameters
            made = use(**self.options, **{name: value for name, value in more.items() if name in known})
        except (Exception, SystemExit) as error:
            why = str(error) if isinstance(error, TypeError) else f"{type(error).__name__}: {error}"
            raise RecipeError("step", [f"{self.name}: its options do not fit {self.used}: {why}"]) from error
        wanted = ("ask", "read") if self.model else ("apply", "finish")
        if not all(callable(getattr(made, function, None)) for function in wanted):
            kind = "stage, since the step has a model" if self.model else "step without a model"
            lacks = f"what it makes lacks {' or '.join(wanted)} (docs/api.md)"
            raise RecipeError("step", [f"{self.name}: {self.used} must make a {kind}: {lacks}"])
        return made
