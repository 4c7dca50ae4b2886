"""Encoders: a module here is a plugin with `Params` and `load(params, ws, settings) -> contracts.Encoder`."""

from tailfirst import plugins
from tailfirst.config import Params, Settings
from tailfirst.contracts import Encoder
from tailfirst.paths import Workspace


def load_encoder(ws: Workspace, params: Params, settings: Settings) -> Encoder:
    """The encoder that params.yaml names.

    Raises:
        UserError: Unknown plugin or option, or a model that is not here.
    """
    module = plugins.load("encoders", params.encoder.plugin)
    encoder: Encoder = module.load(params.encoder.params("encoders"), ws, settings)
    return encoder
