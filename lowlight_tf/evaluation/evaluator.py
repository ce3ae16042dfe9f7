"""Engine x images x metrics -> numbers, each with the protocol that it was measured under."""

import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lowlight_tf import legacy_names
from lowlight_tf.catalog import METRICS, Metric
from lowlight_tf.checks import UsageError, describe_error
from lowlight_tf.contract import ENHANCE, Contract
from lowlight_tf.datasets.pairing import Pair, check_sizes, keep_equal_sizes
from lowlight_tf.datasets.readable import keep_readable
from lowlight_tf.evaluation.results import Results, Score
from lowlight_tf.evaluation.tasks import FUSION_METRICS, evaluation_of, input_names  # noqa: F401
from lowlight_tf.imaging.raw.raw_image import RawImage
from lowlight_tf.metrics import fidelity
from lowlight_tf.runtime.engine import DelegatingEngine, Engine, Images
from lowlight_tf.runtime.loading import load_model


class IdentityEngine(Engine):
    """An `Engine` that returns its input: what every model has to beat."""

    name = "input"
    contract = ENHANCE

    def __call__(self, images: Images) -> Images:
        """Return the input. See `Engine`."""
        return {"enhanced": images["low"]}


def load_model_or_input(model: str, *, threads: int = 2) -> Engine:
    """Open what `load_model` does, or "input", the unchanged image."""
    return IdentityEngine() if model == "input" else load_model(model, threads=threads)


def load_models(models: Sequence[str], *, threads: int = 2) -> dict[str, Engine]:
    """Open several models for one table.

    Returns:
        Name in the table -> engine, in their order: its own name, or the one given here where two
        share that.

    Raises:
        UsageError: If one cannot be opened, or some take RAW files and others images.
    """
    engines = [load_model_or_input(model, threads=threads) for model in models]
    if len({engine.contract.task == "raw_to_rgb" for engine in engines}) > 1:
        raise UsageError(
            "Models of RAW files and of images cannot share a table. Evaluate them apart."
        )
    names = [engine.name for engine in engines]
    return {
        model if names.count(engine.name) > 1 else engine.name: engine
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
    """Run an engine on the inputs of some pairs and measure the results.

    Images are taken at full size, in the 8 or 16 bits of their files and through `enhance`, `fuse`
    or `develop`, as any user's would be; the 8-bit result is measured. Metrics get it as "enhanced"
    and as "fused", and the engine's first input as "low" and as "visible", so that an enhancer can
    be compared with a fusion model. For RAW files see `evaluation.raw_protocol`.

    Args:
        engine: What is evaluated.
        pairs: Images of any sizes, with their targets if one of the metrics takes a target, and an
            infrared image if one takes that or the engine does.
        metrics: Names of the catalog.
        protocol: One of `metrics.fidelity.PROTOCOLS`, or of those that the metrics name; of RAW
            images one of `RAW_PROTOCOLS`. "" takes the default of the engine's task.
        data: Name of the pairs in the results.
        progress: Called with the fraction done, in (0, 1].

    Returns:
        The numbers of each image, and their means.

    Raises:
        UsageError: If there is no such metric or protocol, or a metric with protocols has none of
            these; if there are no pairs, or one lacks an image or a target that is needed, or has
            them in different sizes; if a file cannot be read.
    """
    protocols = (protocol or evaluation_of(engine.contract).default_protocol(engine.contract),)
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
    failed: dict[str, str] | None = None,
) -> list[Results]:
    """Do as `evaluate` under several protocols, running the engine once for each image.

    Metrics without protocols are in the first of the results.

    Args:
        engine: As of `evaluate`, as are the next four.
        pairs: See there.
        metrics: See there.
        protocols: One or more.
        data: See there.
        progress: See there.
        failed: Filled with the name of each pair on which something fails, and why; there is no
            score of it. None raises instead.
    """
    metrics = [METRICS.canonical(name) for name in metrics]
    protocols = [legacy_names.PROTOCOLS.get(name, name) for name in protocols]
    check_evaluation(engine, pairs, metrics=metrics, protocols=protocols)
    evaluator = Evaluator(engine, metrics=metrics, protocols=protocols)
    scores: dict[str, list[Score]] = {protocol: [] for protocol in evaluator.protocols}
    for done, pair in enumerate(pairs, 1):
        try:
            for protocol, score in evaluator.score(evaluator.predict(pair)).items():
                scores[protocol].append(score)
        except Exception as error:  # of many libraries: one image never ends a folder
            if failed is None or isinstance(error, ModuleNotFoundError):
                raise
            failed[pair.name] = describe_error(error)
        if progress:
            progress(done / len(pairs))
    return build_results(engine, scores, data=data)


def build_results(
    engine: Engine, scores: Mapping[str, Sequence[Score]], *, data: str = "", model: str = ""
) -> list[Results]:
    """Return the results of an engine from protocol -> the scores of its images."""
    checksum = engine.card.sha256 if engine.card else None
    return [
        Results(model or engine.name, protocol, tuple(found), data, checksum, engine.weights)
        for protocol, found in scores.items()
    ]


class Prediction(NamedTuple):
    """An engine's result on a pair.

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
    """An engine and the metrics it is evaluated by, applied image by image.

    Args:
        engine: What is evaluated.
        metrics: Names of the catalog.
        protocols: As in `evaluate_pairs`; nothing is checked.

    Attributes:
        protocols: Those that one of the metrics has.
    """

    def __init__(self, engine: Engine, *, metrics: Sequence[str], protocols: Sequence[str]) -> None:
        self._metrics = {name: METRICS.find(name) for name in metrics}
        self._inputs = {each for metric in self._metrics.values() for each in metric.inputs}
        self._by_protocol = _group_by_protocol(self._metrics, protocols, engine.contract)
        self._engine = _TimedEngine(engine)
        self._task = evaluation_of(engine.contract)
        self.protocols = tuple(self._by_protocol)

    @functools.cached_property
    def _functions(self) -> dict[str, Callable[..., float]]:
        return {name: metric.load() for name, metric in self._metrics.items()}

    def predict(self, pair: Pair) -> Prediction:
        """Run the engine on a pair.

        Raises:
            UsageError: If a file cannot be read, or the engine cannot do it.
        """
        engine = self._engine
        engine.reset()
        images = self._task.predict(engine, pair, self._inputs, self._by_protocol)
        return Prediction(pair.name, images, engine.ms, engine.multiply_adds)

    def score(
        self, prediction: Prediction, *, refused: dict[str, str] | None = None
    ) -> dict[str, Score]:
        """Measure a prediction.

        Args:
            prediction: What `predict` returned.
            refused: Filled with metric -> why it cannot be computed for this image; there its
                number is NaN. None raises instead.

        Returns:
            Protocol -> score.

        Raises:
            UsageError: If a metric cannot be computed and `refused` is None.
        """
        scores = {}
        for protocol, names in self._by_protocol.items():
            images, values = prediction.images[protocol], {}
            compared = functools.cache(functools.partial(_apply_protocol, protocol, images))
            for name in names:
                metric = self._metrics[name]
                options = {"protocol": protocol} if metric.protocols else {}
                try:
                    available = images if metric.no_reference else compared()
                    inputs = (available[each] for each in metric.inputs)
                    values[name] = self._functions[name](*inputs, **options)
                except UsageError as error:
                    if refused is None:
                        raise UsageError(f"Pair {prediction.name}: {error}") from None
                    refused[name], values[name] = str(error), math.nan
            scores[protocol] = Score(
                prediction.name, values, prediction.ms, prediction.multiply_adds
            )
        return scores


def run_once(engine: Engine, pair: Pair) -> None:
    """Run an engine on a pair, and do nothing else."""
    task = evaluation_of(engine.contract)
    task.predict(engine, pair, (), [task.default_protocol(engine.contract)])


def check_evaluation(
    engine: Engine,
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str],
    protocols: Sequence[str],
    report: Callable[[str], None] | None = None,
) -> list[Pair]:
    """Refuse what cannot be evaluated before any image is enhanced; errors as `evaluate`.

    Returns:
        The pairs; with `report` without those of unequal size, see `pairing.keep_equal_sizes`.
    """
    for protocol in protocols:
        fidelity.check_protocol(protocol)
    found = {name: METRICS.find(name) for name in metrics}
    inputs = list(dict.fromkeys(each for metric in found.values() for each in metric.inputs))
    evaluation_of(engine.contract).check_pairs(engine.contract, pairs, inputs, protocols)
    for name, metric in found.items():
        known = _protocols_of(metric, engine.contract)
        if known and not set(known) & set(protocols):
            raise UsageError(
                f"{name} is measured under the protocol {' or '.join(known)}. "
                f"Received: {', '.join(protocols)}."
            )
    with_target = [name for name, metric in found.items() if not metric.no_reference]
    if not pairs:
        raise UsageError("Evaluating needs at least one pair of images. Received: none.")
    used = []
    for pair in pairs:
        paths = {port: pair.path_of(port) for port in input_names(engine.contract, inputs)}
        for port, path in paths.items():
            if path is None:
                raise UsageError(
                    f"Pair {pair.name} has no image for {port!r}. Pass a folder with {port}/."
                )
        if with_target and pair.target is None:
            others = ", ".join(name for name in METRICS if METRICS.find(name).no_reference)
            raise UsageError(
                f"Pair {pair.name} has no target, which {', '.join(with_target)} must have. Pass a "
                f"folder with {next(iter(paths))}/ and high/, or metrics without one: {others}."
            )
        size = pair.resize_to if pair.resize_to in paths else ""
        used.append(Pair(pair.name, paths, pair.target if with_target else None, size))
    if report is None:
        check_sizes(used)
        return list(pairs)
    kept = {pair.name for pair in keep_equal_sizes(used, report)}
    return [pair for pair in pairs if pair.name in kept]


def keep_measurable(
    engines: Iterable[Engine],
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str],
    protocols: Sequence[str],
    report: Callable[[str], None],
) -> list[Pair]:
    """Return the pairs that every engine can be evaluated on: readable, and of one size.

    Args:
        engines: The models of a table.
        pairs: The pairs.
        metrics: Names of metrics.
        protocols: Names of protocols.
        report: Called with one line for each pair that is left out.

    Raises:
        UsageError: As `evaluate`, or if no pair can be read.
    """
    kept = keep_readable(pairs, report)
    for engine in engines:
        kept = check_evaluation(engine, kept, metrics=metrics, protocols=protocols, report=report)
    return kept


class _TimedEngine(DelegatingEngine):
    """An engine that adds up the time and the multiply-adds of its runs since `reset`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.count_macs = functools.cache(engine.count_macs)
        self.reset()

    def reset(self) -> None:
        self.ms, self.multiply_adds = 0.0, None

    def __call__(self, images: Images) -> Images:
        results = self._time(self.engine, images)
        size = images[self.contract.image_inputs[0].name].shape[1:3]
        macs = self.count_macs(size)
        if macs is not None:
            self.multiply_adds = (self.multiply_adds or 0) + macs
        return results

    def develop(self, image: RawImage, *, ratio: float) -> np.ndarray | None:
        return self._time(self.engine.develop, image, ratio=ratio)

    def _time(self, function: Callable, *args, **options):
        begin = time.perf_counter()
        result = function(*args, **options)
        self.ms += 1000 * (time.perf_counter() - begin)
        return result


def _protocols_of(metric: Metric, contract: Contract) -> Sequence[str]:
    """Return the protocols that a metric distinguishes; none if it needs none."""
    if metric.protocols:
        return metric.protocols
    return () if metric.no_reference else evaluation_of(contract).protocols


def _group_by_protocol(
    metrics: Mapping[str, Metric], protocols: Sequence[str], contract: Contract
) -> dict[str, list[str]]:
    """Return protocol -> names of the metrics under it; those without any go with the first."""
    groups: dict[str, list[str]] = {protocol: [] for protocol in protocols}
    for name, metric in metrics.items():
        for protocol in set(_protocols_of(metric, contract)) & set(protocols) or protocols[:1]:
            groups[protocol].append(name)
    return {protocol: names for protocol, names in groups.items() if names}


def _apply_protocol(protocol: str, images: Images) -> Images:
    """Return target and result as a protocol compares them."""
    both = fidelity.apply_protocol(protocol, images["target"], images["enhanced"])
    return dict(zip(("target", "enhanced"), both, strict=True))
