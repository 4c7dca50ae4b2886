"""The served model, as "models from code": MLflow stores this file and runs it, so nothing is pickled.

Input: one column `image` (bytes, or base64 text), `text`, or `vector` (numbers); output: one column per class id with
its probability. The bundle beside it holds the head (safetensors + JSON) and either the encoder's folder or its name.
"""

import base64
import binascii
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model  # noqa: TID251 - this file is handed to MLflow as it is
from mlflow.pyfunc.model import PythonModel  # noqa: TID251

logger = logging.getLogger(__name__)


class Served(PythonModel):
    """Encoder and head of one candidate."""

    def load_context(self, context: Any) -> None:
        """Load head and encoder from the bundle."""
        from tailfirst import plugins
        from tailfirst.config import Settings
        from tailfirst.paths import Workspace

        bundle = Path(context.artifacts["bundle"])
        self.card = json.loads((bundle / "served.json").read_text(encoding="utf-8"))
        self.head = plugins.load("adaptation", self.card["adaptation"]).load(bundle / "head")
        self.encoder: Any = None
        if self.card["reads"] == "row" or getattr(self.head, "tuned", None) is not None:
            return  # the caller brings vectors, or the model sees the item with a network of its own
        options = dict(self.card["encoder"]["options"])
        if (bundle / "encoder").is_dir():
            options["model"] = str((bundle / "encoder").absolute())
        name = self.card["encoder"]["plugin"]
        folder = Workspace(Path(tempfile.mkdtemp(prefix="tailfirst-served-")))  # the encoder's scratch
        self.encoder = plugins.load("encoders", name).load(
            plugins.params("encoders", name, options), folder, Settings()
        )
        if self.encoder.fingerprint != self.head.encoder:
            logger.warning(
                "encoder %s here, %s in training: another device or precision; the last digits may differ",
                self.encoder.fingerprint[:12],
                self.head.encoder[:12],
            )

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Class probabilities, one row per input row.

        Raises:
            UserError: The column is missing or holds something else.
        """
        probabilities = self.head.probs(self._features(model_input))
        return pd.DataFrame(probabilities, columns=list(self.head.class_ids), index=model_input.index)

    def _features(self, frame: pd.DataFrame) -> Any:
        import numpy as np

        from tailfirst.contracts import Media

        column = self.card["column"]
        values = frame[column].tolist()
        if column == "vector":
            return self.head.features(_unit(values, self.card["dim"]), None)
        media = [
            Media(str(row), text=value) if column == "text" else Media(str(row), data=_bytes(value))
            for row, value in enumerate(values)
        ]
        nothing = np.zeros((len(media), 0), np.float32)
        vectors = nothing if self.encoder is None else self.encoder.items(media)
        return self.head.features(vectors, lambda rows: [media[row] for row in rows.tolist()])


def _unit(values: list[Any], dim: int) -> Any:
    import numpy as np

    from tailfirst.errors import UserError

    matrix = np.asarray([np.asarray(value, dtype=np.float32) for value in values])
    if matrix.ndim != 2 or matrix.shape[1] != dim or not np.isfinite(matrix).all():
        raise UserError(f"`vector` must hold {dim} finite numbers per row; found shape {matrix.shape}")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not lengths.all():
        raise UserError("`vector` holds a row of zeros, which has no direction")
    return matrix / lengths


def _bytes(value: Any) -> bytes:
    from tailfirst.errors import UserError

    if isinstance(value, bytes | bytearray):
        return bytes(value)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise UserError(f"`image` must be bytes or base64 text: {error}") from error


set_model(Served())
