"""Engine x pictures x metrics -> numbers, each with the protocol that it goes by."""

import functools
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lowlight_tf.catalog import METRICS, Metric
from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, Contract
from lowlight_tf.datasets import multi_camera
from lowlight_tf.datasets.pairing import Pair, check_sizes
from lowlight_tf.evaluation import raw_protocol
from lowlight_tf.evaluation.results import Results, Score
from lowlight_tf.imaging import image_io
from lowlight_tf.metrics import fidelity
from lowlight_tf.runtime.engine import Engine, Images
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.fuse import fuse
from lowlight_tf.runtime.loading import load_model

FUSION_METRICS = ("entropy", "mutual_information", "standard_deviation", "scd", "vif")
"""What a net that fuses is validated by: it has no target."""


class IdentityEngine:
    """An `Engine` that leaves a picture as it is: what every model has to beat."""

    name = "input"
    contract = ENHANCE
    size = None

    def __call__(self, images: Images) -> Images:
        """Give back what came. See `Engine`."""
        return {"enhanced": images["low"]}


def load_model_or_input(model: str, *, threads: int = 2) -> Engine:
    """Open what `open_engine` does, or "input", the dark picture itself."""
    return IdentityEngine() if model == "input" else load_model(model, threads=threads)


def load_models(models: Sequence[str], *, threads: int = 2) -> dict[str, Engine]:
    """Return what tables call some models -> the model, opened; in their order.

    One is called by its own name, or as it was named here where two share that.

    Raises:
        UsageError: If one cannot be opened, or some take RAW files and others pictures.
    """
    engines = [load_model_or_input(model, threads=threads) for model in models]
    if len({engine.contract.is_raw for engine in engines}) > 1:
        raise UsageError(
            "Models of RAW files stand in no table with those of pictures. Evaluate them apart."
        )
    short = [engine.name for engine in engines]
    return {
        model if short.count(engine.name) > 1 else engine.name: engine
        for model, engine in zip(models, engines, strict=True)
    }


def evaluate(
    engine: Engine,
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str] = ("psnr", "ssim"),
    protocol: str = "",
    data: str = "",
    progress: Callable[[float], None] | None = None,
) -> Results:
    """Enhance the dark pictures of some pairs, or fuse two cameras', and measure what comes of it.

    Pictures are taken whole, in the 8 or 16 bits of their files and through `enhance` or `fuse`, as
    any user's would be; what is measured is the 8-bit result. It is "enhanced" and "fused" alike,
    and the first picture that the engine was shown "low" and "visible": so an enhancer stands in
    one table with what fuses. RAW files are developed, see `evaluation.exposure`.

    Args:
        engine: What enhances; from one color image, those of two cameras, or a RAW one, to one.
        pairs: Pictures of any sizes, with their targets if one of the metrics takes a target, and
            an infrared picture if one takes that or the engine does.
        metrics: Names of the catalog.
        protocol: One of `metrics.fidelity.PROTOCOLS`, or of those that the metrics name; of RAW
            pictures one of `RAW_PROTOCOLS`. Default: `exposure.own_protocol`.
        data: What the pairs are called in the results.
        progress: Called with the share done, in (0, 1].

    Returns:
        The numbers of each picture, and their means.

    Raises:
        UsageError: If there is no such metric or protocol, or a metric that knows some has none of
            them; if there are no pairs, or one lacks a picture or a target that is asked for, or
            has them in different sizes; if a file cannot be read.
    """
    protocols = (protocol or raw_protocol.default_protocol(engine.contract),)
    return evaluate_pairs(
        engine, pairs, metrics=metrics, protocols=protocols, data=data, progress=progress
    )[0]


def evaluate_pairs(
    engine: Engine,
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str],
    protocols: Sequence[str],
    data: str = "",
    progress: Callable[[float], None] | None = None,
) -> list[Results]:
    """Do as `evaluate` for several protocols, and enhance each picture only once.

    Metrics that know no protocol stand in the first of the results.
    """
    check_evaluation(engine, pairs, metrics=metrics, protocols=protocols)
    bench = Evaluator(engine, metrics=metrics, protocols=protocols)
    scores: dict[str, list[Score]] = {protocol: [] for protocol in bench.protocols}
    for done, pair in enumerate(pairs, 1):
        for protocol, score in bench.score(bench.predict(pair)).items():
            scores[protocol].append(score)
        if progress:
            progress(done / len(pairs))
    return build_results(engine, scores, data=data)


def build_results(
    engine: Engine, scores: Mapping[str, Sequence[Score]], *, data: str = "", model: str = ""
) -> list[Results]:
    """Return an engine's results of some scores: protocol -> one for each picture."""
    checksum = getattr(getattr(engine, "card", None), "sha256", None)
    weights = getattr(engine, "weights", None)
    return [
        Results(model or engine.name, protocol, tuple(found), data, checksum, weights)
        for protocol, found in scores.items()
    ]


class Prediction(NamedTuple):
    """What an engine made of a pair.

    Attributes:
        name: The pair's.
        images: Protocol -> what metrics are called with.
        ms: Time inside the engine (milliseconds), all tiles together.
        multiply_adds: What the engine computed; None where that is not known.
    """

    name: str
    images: dict[str, Images]
    ms: float
    multiply_adds: int | None


class Evaluator:
    """An engine, and what it is judged by: `measure`, picture by picture.

    Args:
        engine: What enhances.
        metrics: Names of the catalog.
        protocols: Those of `measure`; nothing is checked.

    Attributes:
        protocols: Those that a metric goes by.
    """

    def __init__(self, engine: Engine, *, metrics: Sequence[str], protocols: Sequence[str]) -> None:
        self._judges = {metric: METRICS.find(metric) for metric in metrics}
        self._taken = {name for judge in self._judges.values() for name in judge.inputs}
        self._asked = _metrics_for_protocols(self._judges, protocols, engine.contract)
        self._watch = _Stopwatch(engine)
        self.protocols = tuple(self._asked)

    @functools.cached_property
    def _functions(self) -> dict[str, Callable[..., float]]:
        return {metric: judge.load() for metric, judge in self._judges.items()}

    def predict(self, pair: Pair) -> Prediction:
        """Let the engine enhance, fuse or develop a pair.

        Raises:
            UsageError: If a file cannot be read, or the engine cannot do it.
        """
        watch = self._watch
        watch.reset()
        see = _predict_raw if watch.contract.is_raw else _predict_images
        images = see(watch, pair, self._taken, self._asked)
        return Prediction(pair.name, images, watch.ms, watch.multiply_adds)

    def score(self, view: Prediction, *, refused: dict[str, str] | None = None) -> dict[str, Score]:
        """Return protocol -> what was measured.

        Args:
            view: What `show` gave.
            refused: Filled with metric -> why it cannot be had of this picture; there its number is
                NaN. None raises.

        Raises:
            UsageError: If a metric cannot be had, and nobody is told.
        """
        scores = {}
        for protocol, chosen in self._asked.items():
            images, values = view.images[protocol], {}
            under = functools.cache(functools.partial(_apply_protocol, protocol, images))
            for name in chosen:
                score = self._judges[name]
                more = {"protocol": protocol} if score.protocols else {}
                try:
                    seen = images if score.no_reference else under()
                    shown = (seen[one] for one in score.inputs)
                    values[name] = self._functions[name](*shown, **more)
                except UsageError as error:
                    if refused is None:
                        raise UsageError(f"Pair {view.name}: {error}") from None
                    refused[name], values[name] = str(error), math.nan
            scores[protocol] = Score(view.name, values, view.ms, view.multiply_adds)
        return scores


def run_once(engine: Engine, pair: Pair) -> None:
    """Let an engine enhance, fuse or develop a pair, and do nothing else."""
    if engine.contract.is_raw:
        raw_protocol.protocol_images(
            engine, pair, [raw_protocol.default_protocol(engine.contract)], target=False
        )
    else:
        enhance_pair(engine, *multi_camera.read_cameras(pair, _sources(engine, ())).values())


def check_evaluation(
    engine: Engine, pairs: Sequence[Pair], *, metrics: Sequence[str], protocols: Sequence[str]
) -> None:
    """Refuse what `measure` cannot do, before any picture is enhanced; errors as `evaluate`."""
    for protocol in protocols:
        fidelity.check_protocol(protocol)
    judges = {metric: METRICS.find(metric) for metric in metrics}
    takes = list(dict.fromkeys(name for judge in judges.values() for name in judge.inputs))
    if engine.contract.is_raw:
        raw_protocol.check_raw_protocol(engine.contract, pairs, takes, protocols)
    for name, judge in judges.items():
        known = _protocols(judge, engine.contract)
        if known and not set(known) & set(protocols):
            raise UsageError(
                f"{name} is measured under the protocol {' or '.join(known)}. "
                f"Received: {', '.join(protocols)}."
            )
    with_target = [name for name, judge in judges.items() if not judge.no_reference]
    if not pairs:
        raise UsageError("Evaluating needs at least one pair of pictures. Received: none.")
    used = []
    for pair in pairs:
        shown = {port: pair.path_of(port) for port in _sources(engine, takes)}
        for port, path in shown.items():
            if path is None:
                raise UsageError(
                    f"Pair {pair.name} has no picture for {port!r}. Pass a folder with {port}/."
                )
        if with_target and pair.target is None:
            alone = ", ".join(name for name in METRICS if METRICS.find(name).no_reference)
            raise UsageError(
                f"Pair {pair.name} has no target, which {', '.join(with_target)} must have. Pass "
                f"a folder with {next(iter(shown))}/ and high/, or metrics that need none: {alone}."
            )
        size = pair.size if pair.size in shown else ""
        used.append(Pair(pair.name, shown, pair.target if with_target else None, size))
    check_sizes(used)


def enhance_pair(engine: Engine, visible: np.ndarray, *thermal: np.ndarray) -> np.ndarray:
    """Return what an engine makes of a visible picture, and of an infrared one if it fuses."""
    return (
        fuse(engine, visible, *thermal) if engine.contract.is_fusion else enhance(engine, visible)
    )


def _predict_images(
    engine: Engine, pair: Pair, taken: Collection[str], protocols: Collection[str]
) -> dict[str, Images]:
    """Return protocol -> what metrics are called with: the same for all."""
    shown = multi_camera.read_cameras(pair, _sources(engine, taken))
    first, result = next(iter(shown.values())), enhance_pair(engine, *shown.values())
    images = {"low": first, "visible": first, **shown, "enhanced": result, "fused": result}
    if "target" in taken:
        images["target"] = image_io.load_image(pair.target).pixels
    images = {name: _eight(image) for name, image in images.items()}
    return {protocol: images for protocol in protocols}


def _predict_raw(
    engine: Engine, pair: Pair, taken: Collection[str], protocols: Collection[str]
) -> dict[str, Images]:
    """Return protocol -> what metrics are called with, of a RAW picture."""
    found = raw_protocol.protocol_images(engine, pair, list(protocols), target="target" in taken)
    return {
        protocol: {name: _eight(x) for name, x in {**shown, "fused": shown["enhanced"]}.items()}
        for protocol, shown in found.items()
    }


class _Stopwatch:
    """An engine, how long it has been running for a picture, and how much it computed."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.contract, self.size = engine.name, engine.contract, engine.size
        for name in ("preparation", "whole"):
            if hasattr(engine, name):
                setattr(self, name, getattr(engine, name))
        if hasattr(engine, "develop"):
            self.develop = functools.partial(self._timed, engine.develop)
        self._engine = engine
        count = getattr(engine, "multiply_adds", None)  # only a graph can be counted
        self._count = functools.cache(count) if count else None
        self.reset()

    def reset(self) -> None:
        self.ms = 0.0
        self.multiply_adds = 0 if self._count else None

    def __call__(self, images: Images) -> Images:
        results = self._timed(self._engine, images)
        if self._count:
            self.multiply_adds += self._count(images[self.contract.image_inputs[0].name].shape[1:3])
        return results

    def _timed(self, work: Callable, *given, **told):
        begin = time.perf_counter()
        result = work(*given, **told)
        self.ms += 1000 * (time.perf_counter() - begin)
        return result


def _sources(engine: Engine, taken: Collection[str]) -> list[str]:
    """Return what is read of a pair: what the engine is shown, and what metrics take besides."""
    ports = [port.name for port in engine.contract.image_inputs]
    return [*ports, *({"infrared"} & set(taken) - set(ports))]


def _protocols(judge: Metric, contract: Contract) -> tuple[str, ...]:
    """Return the protocols that a metric knows; none if it goes by none."""
    known = fidelity.RAW_PROTOCOLS if contract.is_raw else fidelity.PROTOCOLS
    return judge.protocols or (() if judge.no_reference else known)


def _metrics_for_protocols(
    judges: Mapping[str, Metric], protocols: Sequence[str], contract: Contract
) -> dict[str, list[str]]:
    """Return protocol -> metrics under it; those that know none go with the first."""
    asked = {protocol: [] for protocol in protocols}
    for name, judge in judges.items():
        for protocol in set(_protocols(judge, contract)) & set(protocols) or protocols[:1]:
            asked[protocol].append(name)
    return {protocol: chosen for protocol, chosen in asked.items() if chosen}


def _apply_protocol(protocol: str, images: Images) -> Images:
    """Return target and result as a protocol wants them."""
    both = fidelity.apply_protocol(protocol, images["target"], images["enhanced"])
    return dict(zip(("target", "enhanced"), both, strict=True))


def _eight(pixels: np.ndarray) -> np.ndarray:
    """Return 16-bit pixels as floats in [0, 1], which metrics round; 8-bit ones as they are."""
    return pixels / np.float64(65535) if pixels.dtype == np.uint16 else pixels
