"""params.yaml -> frozen models (what changes a result), and Settings from the environment (where it runs)."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tailfirst import plugins
from tailfirst.errors import ConfigError
from tailfirst.port import DataClass


class Section(BaseModel):
    """A frozen section that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Plugin(Section):
    """`{plugin: NAME, option: value, ...}`; the options are validated by the plugin's own `Params`."""

    plugin: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, dict) and "options" not in value:
            return {"plugin": value.get("plugin"), "options": {k: v for k, v in value.items() if k != "plugin"}}
        return value

    def params(self, kind: str) -> BaseModel:
        """The validated options.

        Raises:
            ConfigError: Unknown plugin or option.
        """
        return plugins.params(kind, self.plugin, self.options)


class Campaign(Section):
    """All rounds under one line of params; one MLflow experiment."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    seed: int = 7
    data_class: DataClass = "PRIVATE"  # PRIVATE and PERSONAL items never go to an open crowd


class Retrieval(Section):
    """Open data for the classes (alor.md section 2)."""

    enabled: bool = True
    counts_only: bool = False  # count captions per class and name; no encoder, no image, no retrieved row
    cap: int = Field(200, ge=1)  # rows kept per class
    rank: Literal["t2t", "t2i", "i2i", "random"] = "t2t"  # i2i depends on the labels: every round retrieves again
    min_t2t: float | None = Field(None, ge=-1, le=1)  # caption-class cosine below which a row is dropped
    min_t2i: float | None = Field(None, ge=-1, le=1)  # image-prototype cosine below which a row is dropped
    max_similarity: float = Field(0.95, gt=0, le=1)  # above: a near-duplicate of a holdout or pool item
    within_class_similarity: float | None = Field(None, gt=0, le=1)  # above: a near-duplicate of a row of its class
    max_nsfw: float = Field(0.5, ge=0, le=1)
    max_watermark: float | None = Field(None, ge=0, le=1)  # of the corpus's own watermark probability
    min_similarity: float | None = Field(None, ge=-1, le=1)  # of the corpus's own image-caption cosine
    min_side: int | None = Field(None, ge=1)  # pixels of the shorter side, as the corpus says
    licences: tuple[str, ...] | None = None  # allow-list; null = any
    near_tie: float = Field(0.005, ge=0)  # an item of two classes within this T2T distance is dropped
    match_limit: int = Field(2000, ge=1)  # matched rows per class that are embedded for ranking
    names: Literal["official", "most_common", "all_synonyms"] = "most_common"  # names in class prompts (alor.md 7.1)


class Evaluation(Section):
    """How candidates are measured on the holdout."""

    bootstrap: int = Field(1000, ge=100)
    level: float = Field(0.95, gt=0.5, lt=1)
    tail_share: float = Field(1 / 3, gt=0, lt=1)  # the rarest third of the classes by retrieved frequency is the tail


class Acquisition(Section):
    """How the next batch is chosen."""

    strategy: Plugin
    budget: int = Field(100, ge=1)  # items per round, audit and control included
    audit_share: float = Field(0.08, ge=0, le=0.5)
    audit_min: int = Field(2, ge=1)
    control_share: float = Field(0.05, ge=0, le=0.5)
    cold_start: str = "kmeans"  # strategy used while there is no model


class Choice(Section):
    """Which candidate ranks the pool."""

    metric: Literal["accuracy", "balanced_accuracy", "macro_f1", "tail_accuracy"] = "balanced_accuracy"
    max_loss: float = Field(0.01, ge=0)  # promotion: how much tail or head accuracy a challenger may lose


class Round(Section):
    """How a round is bought and closed."""

    overlap: int = Field(1, ge=1, le=9)  # answers per item
    sla_hours: float = Field(72, gt=0)
    quorum: float = Field(0.9, gt=0, le=1)  # share of the batch that must be back to close at the SLA
    max_swapped: float = Field(0.2, ge=0, le=1)  # share of answers that may echo another item before all are held
    min_agreement: float = Field(0.0, ge=0, le=1)  # below: the item stays unlabeled and is eligible again


class Quality(Section):
    """How answers become labels and how annotators are measured (docs/quality.md); the defaults buy nothing extra."""

    consensus: Literal["majority", "dawid_skene", "crowdlab"] = "majority"
    gold_share: float = Field(0.0, ge=0, le=0.5)  # of the budget: tasks with known answers, from data/gold.parquet
    gold_max_uses: int = Field(5, ge=1)  # how often one gold item is shown in the whole campaign
    relabel_share: float = Field(0.0, ge=0, le=0.30)  # of the budget, at most: another answer for labeled items
    overlap_max: int = Field(5, ge=1)  # answers per item over all rounds; then an item is not asked again
    confident: float = Field(0.95, gt=0, le=1)  # an item whose label is this sure is not asked again
    max_attempts: int = Field(3, ge=1)  # purchases of one item, rework included; then the expert queue
    min_gold_accuracy: float = Field(0.0, ge=0, le=1)  # an annotator whose upper bound is below is dropped; 0 = nobody
    min_gold_answers: int = Field(8, ge=1)  # answers to gold before anybody is judged by it
    drop_spam: bool = False  # whether answers of suspects are dropped; they are reported either way
    ambiguous_below: float = Field(0.4, ge=0, le=1)  # kappa of a class pair, at most: then the guideline is in doubt
    stop_ambiguous: bool = False  # buy no items that the model sees between the classes of such a pair
    prelabels: bool = False  # show the model's guess to annotators, where the vendor can
    blind_share: float = Field(0.2, gt=0, le=1)  # of those tasks: without the guess, to measure how much it anchors


class Money(Section):
    """Caps, in units of the currency; the ledger enforces them inside the transaction that reserves."""

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    auto_approve: Decimal = Field(Decimal(0), ge=0)  # a quote up to this is approved by rule
    cap_round: Decimal = Field(Decimal(100), gt=0)
    cap_campaign: Decimal = Field(Decimal(1000), gt=0)
    cap_month: Decimal | None = Field(None, gt=0)  # per calendar month (UTC); null = no such cap


class Stopping(Section):
    """When the campaign ends by itself."""

    max_rounds: int = Field(10, ge=1)
    target: float | None = Field(None, gt=0, le=1)  # of choice.metric: its lower interval bound must reach it


class Control(Section):
    """The random arm at equal labels, drawn again from the oracle where there is one."""

    seeds: int = Field(5, ge=1)


class Params(Section):
    """Everything that changes a result, and nothing else.

    Every section must stand in the file, be it empty (`control: {}`): DVC cannot watch what is not there. Only
    `quality` may be left out, for files from before it: the stages then watch the rest.
    """

    campaign: Campaign
    encoder: Plugin
    retrieval: Retrieval
    candidates: dict[str, Plugin]
    evaluation: Evaluation
    choice: Choice
    acquisition: Acquisition
    vendor: Plugin
    round: Round
    quality: Quality = Quality()
    money: Money
    stopping: Stopping
    control: Control

    def check_plugins(self) -> None:
        """Validate every plugin's options before anything runs.

        Raises:
            ConfigError: Unknown plugin or option.
        """
        self.encoder.params("encoders")
        self.vendor.params("vendors")
        self.acquisition.strategy.params("acquisition")
        plugins.load("acquisition", self.acquisition.cold_start)
        for candidate in self.candidates.values():
            candidate.params("adaptation")


class Settings(BaseSettings):
    """Where it runs, and secrets: never part of a result, a cache key, a log or an MLflow param."""

    model_config = SettingsConfigDict(env_prefix="TAILFIRST_", env_file=".env", extra="ignore", frozen=True)

    ledger_url: str | None = None  # SQLAlchemy URL; default: SQLite in state/ledger.db
    mlflow_uri: str | None = None  # default: sqlite:///<workspace>/mlruns/mlflow.db
    git_commit: bool = False  # after a sealed round: git commit and tag round-NNNN
    dvc_push: bool = False  # after a sealed round: dvc push to the default remote
    device: str = "auto"  # auto | cpu | cuda
    tracker: str = "mlflow"
    shared_data: Path | None = None  # real data for tests
    rest_api_key: SecretStr | None = None  # of the vendor that the adapter `rest` talks to
    label_studio_url: str | None = None  # wins over vendor.base_url
    label_studio_token: SecretStr | None = None  # legacy token or personal access token
    webhook_secrets: SecretStr | None = None  # the vendor's signing keys, comma separated; two while they are changed
    webhook_path: SecretStr | None = None  # for a vendor that signs nothing: the secret last part of its address


def load(path: Path) -> Params:
    """Read and validate params.yaml.

    Raises:
        ConfigError: Missing, unreadable or wrong; names every mistake and the keys there are.
    """
    if not path.exists():
        raise ConfigError(
            f"no params.yaml at {path}; `tailfirst init` makes a workspace, or say where it is with --root"
        )
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must be a mapping of sections; found {type(value).__name__}; known: {known()}")
    try:
        params = Params.model_validate(value)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error
    params.check_plugins()
    return params


def known() -> str:
    """The sections of params.yaml, comma separated."""
    return ", ".join(Params.model_fields)


def _explain(error: ValidationError) -> str:
    lines = []
    for mistake in error.errors():
        place = ".".join(map(str, mistake["loc"]))
        found = "nothing" if mistake["type"] == "missing" else repr(mistake["input"])
        lines.append(f"{place}: {mistake['msg']} (found {found}; known keys here: {_keys_at(mistake['loc'])})")
    return "params.yaml: " + "; ".join(lines)


def _keys_at(location: tuple[int | str, ...]) -> str:
    model: Any = Params
    for part in location[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return "as the plugin says"
        model = field.annotation
    return ", ".join(model.model_fields)
