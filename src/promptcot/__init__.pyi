"""The public names, for type checkers; `__init__.py` imports them when they are first used."""

from promptcot.api.results import EvaluationResult as EvaluationResult
from promptcot.api.results import FilterResult as FilterResult
from promptcot.api.results import GradeResult as GradeResult
from promptcot.api.results import LabelResult as LabelResult
from promptcot.api.results import RunResult as RunResult
from promptcot.api.results import StageResult as StageResult
from promptcot.api.runs import arun as arun
from promptcot.api.runs import evaluate as evaluate
from promptcot.api.runs import load_recipe as load_recipe
from promptcot.api.runs import run as run
from promptcot.api.verbs import ask as ask
from promptcot.api.verbs import encode as encode
from promptcot.api.verbs import explain as explain
from promptcot.api.verbs import extract as extract
from promptcot.api.verbs import filter as filter
from promptcot.api.verbs import generate as generate
from promptcot.api.verbs import grade as grade
from promptcot.api.verbs import judge as judge
from promptcot.api.verbs import label as label
from promptcot.api.verbs import sample as sample
from promptcot.api.verbs import solve as solve
from promptcot.api.working import Progress as Progress
from promptcot.engines.protocol import Engine as Engine
from promptcot.engines.scripted import ScriptedEngine as ScriptedEngine
from promptcot.errors import EngineError as EngineError
from promptcot.errors import EngineUnusable as EngineUnusable
from promptcot.errors import InputError as InputError
from promptcot.errors import LockedError as LockedError
from promptcot.errors import PromptCoTError as PromptCoTError
from promptcot.errors import RecipeError as RecipeError
from promptcot.errors import RequestRefused as RequestRefused
from promptcot.errors import StageFault as StageFault
from promptcot.errors import StorageError as StorageError
from promptcot.errors import SystematicFailure as SystematicFailure
from promptcot.errors import TransientError as TransientError
from promptcot.errors import UsageError as UsageError
from promptcot.recipe.schema import Encode as Encode
from promptcot.recipe.schema import Model as Model
from promptcot.recipe.schema import Recipe as Recipe
from promptcot.records import Completion as Completion
from promptcot.records import Drop as Drop
from promptcot.records import Dropped as Dropped
from promptcot.records import Message as Message
from promptcot.records import Request as Request
from promptcot.records import Retry as Retry
from promptcot.records import Row as Row
from promptcot.records import Sampling as Sampling
from promptcot.records import Score as Score
from promptcot.records import derive_seed as derive_seed
from promptcot.runners.protocol import Runner as Runner
from promptcot.stages.protocol import Stage as Stage
from promptcot.stages.protocol import Step as Step
from promptcot.storage.budget import BudgetReached as BudgetReached

__version__: str
__all__: list[str]
