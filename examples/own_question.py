"""Does a wider or longer blur at first, beside the weights, make better latents?"""

from studies import loss_weights
from studies.question import ObjectiveFunction, Question, Range
from vlatent import override


def space(config):
    """The weights that `vlatent study loss_weights` searches, and two numbers of the blur."""
    weights = loss_weights.space(config)
    return weights | {"blur": Range(0.1, 4.0), "blurred_share": Range(0.0, 1.0, log=False)}


def apply(config, params):
    """The config with searched values in their places; steps are whole."""
    weights = {name: value for name, value in params.items() if "blur" not in name}
    steps = round(params["blurred_share"] * config.training.steps)
    blur = {"training.blur": params["blur"], "training.blur_steps": steps}
    return override(config, weights | blur)


def start(config, space):
    """The config's own values: those of trial 0."""
    share = config.training.blur_steps / config.training.steps
    return loss_weights.QUESTION.start(config, loss_weights.space(config)) | {
        "blur": config.training.blur,
        "blurred_share": share,
    }


QUESTION = Question(
    name="blur",
    text="Does a wider or longer blur at first, beside the weights, make better latents?",
    space=space,
    apply=apply,
    start=start,
    objectives=(ObjectiveFunction("score", "score", lambda result: result.score),),
)
