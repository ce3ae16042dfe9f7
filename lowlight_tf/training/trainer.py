"""Recipe -> run folder: everything that is needed to export, evaluate, repeat or go on."""

import dataclasses
import functools
import importlib.util
import itertools
import platform
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from lowlight_tf import checks
from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation.comparison.contact_sheet import contact_sheet
from lowlight_tf.evaluation.evaluator import FUSION_METRICS, evaluate
from lowlight_tf.evaluation.raw_protocol import default_protocol
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.fileio import write_json
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.pipeline.synthetic_validation import materialize_synthetic_inputs
from lowlight_tf.training import adversarial, callbacks, checkpoint
from lowlight_tf.training.adversarial import AdversarialLearner
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.data import TrainingData, load_training_data
from lowlight_tf.training.distributed.strategy import ResetMetrics, SingleDevice, create_strategy
from lowlight_tf.training.exposure_calibration import ExposureFit, fit_exposure
from lowlight_tf.training.history import History, draw_curves
from lowlight_tf.training.model_factory import create_model
from lowlight_tf.training.reduce_lr_on_plateau import ReduceLROnPlateau
from lowlight_tf.training.schedule import create_optimizer, resolve_epochs, steps_per_epoch

SHEET_ROWS = 3  # pictures in a before/after sample


def train(
    recipe: Recipe, run: Path, *, resume: bool = False, strategy: str = "single"
) -> Path | None:
    """Train a net as a recipe says, into a folder that explains itself.

    The folder holds `recipe.toml`, `contract.json`, `model.keras` (the best net by validation, its
    running average where the recipe has one), `history.csv`, `curves.png`, `samples/`,
    `tensorboard/`, `checkpoints/`, `training.json` (what an exported card says of the run), and the
    lists of pairs `pairs_training.json` and `pairs_validation.json`.

    Args:
        recipe: What to do.
        run: Folder to write; must not hold a run yet, unless `resume` is given.
        resume: Go on from the newest checkpoint; the weights become those of a run without a stop.
        strategy: "single", "mirrored" or "multiworker", see `training.strategy`; all but the first
            need TensorFlow, and the last that nothing was done with it yet in this process.

    Returns:
        The run folder; None in a worker that is not the chief, which keeps nothing.

    Raises:
        UsageError: If the recipe asks for what there is not, the data are not fit to learn from,
            the folder is in use, or the loss is no number; the last good checkpoint is kept then.
            If another worker is lost.
    """
    with create_strategy(strategy) as team:
        team.check(recipe)
        _train(recipe, team.run_dir(run), resume, team)
        return run if team.chief else None


def _train(recipe: Recipe, run: Path, resume: bool, team: SingleDevice) -> None:
    entry = MODELS.find(recipe.model)
    objective = CompositeLoss(recipe.losses)
    known = FUSION_METRICS if entry.contract.is_fusion else ("psnr", "ssim", "lpips")
    checks.check_choice("training.judge", recipe.training.monitor, known)
    adversarial.check_adversarial(recipe, entry.contract)
    plain = create_model(MODELS, recipe.model, recipe.options)
    teacher = _teacher(recipe, entry.contract)
    _prepare_run_dir(run, recipe, resume)
    material = load_training_data(recipe, run)
    asked, recipe = recipe, resolve_epochs(recipe, len(material.train))
    keras.utils.set_random_seed(recipe.seed)
    with team.scope():
        net = create_model(
            MODELS, recipe.model, recipe.options, precision=recipe.training.precision
        )
        if recipe.discriminator.model:
            rival = adversarial.discriminator_kwargs(recipe, entry.contract)
            learner = AdversarialLearner(net, objective, teacher=teacher, **rival)
        else:
            learner = team.learner(net, objective, teacher=teacher)
        learner.compile(
            optimizer=create_optimizer(recipe.training), jit_compile=recipe.training.jit_compile
        )
        learner.optimizer.build(net.trainable_variables)

    progress = callbacks.TrainingState()
    newest = checkpoint.latest_checkpoint(run / "checkpoints") if resume else None
    if newest:
        progress.step, saved = checkpoint.restore_checkpoint(newest, learner)
        progress.history = History(saved.pop("rows"))
        progress.__dict__.update(saved)
        print(f"resuming at step {progress.step} from {newest}")
    team.broadcast_state(learner, progress, asked, material.train)
    for folder in ("samples", "checkpoints"):
        (run / folder).mkdir(parents=True, exist_ok=True)
    (run / "recipe.toml").write_text(asked.dump(), encoding="utf-8")
    entry.contract.save(run / "contract.json")
    material.save(run)
    val = materialize_synthetic_inputs(material.val, run / "dusk", recipe)

    print(
        f"{recipe.model}: {reparameterize_model(net).count_params():,} weights; {len(material.train)} pairs to "
        f"learn from, {len(val)} to judge by; {recipe.training.steps} steps of "
        f"{recipe.pipeline.batch_size}"
    )
    hooks = _callbacks(recipe, run, progress, plain, entry.contract, material, val, team)
    for stage in _plan_stages(recipe):
        if progress.step < stage.end:
            learner.train_function = None  # traced anew: each stage has a size of its own
            if recipe.discriminator.model:
                learner.plays = stage.critic
            learner.fit(
                _make_dataset(
                    material.train, recipe, entry.contract, run, stage, progress.step, team
                ),
                epochs=1,
                steps_per_epoch=stage.end - progress.step,
                shuffle=False,
                verbose=0,
                callbacks=hooks,
            )
    if team.chief:
        exposure = _calibrate_exposure(recipe, run, progress, material, val)
        progress.history.protocol = default_protocol(entry.contract)
        draw_curves({run.name: progress.history}, run / "curves.png")
        _write_training_json(recipe, run, progress, plain, material, exposure)


def _calibrate_exposure(
    recipe: Recipe,
    run: Path,
    progress: callbacks.TrainingState,
    material: TrainingData,
    val: list[Pair],
) -> ExposureFit | None:
    """Fit the best net's exposure, if the recipe says so; what is measured then is what counts."""
    if not recipe.training.calibrate_exposure:
        return None
    engine = KerasEngine(run)
    found = fit_exposure(
        engine.model,
        engine.contract,
        material.train,
        val,
        leveled=recipe.pipeline.normalize_target_exposure,
    )
    means = evaluate(engine, val, metrics=("psnr", "ssim"), protocol="plain").means
    beside = run / ".model.part.keras"
    engine.model.save(beside)
    beside.replace(run / "model.keras")
    row = next(row for row in progress.history.rows if row["step"] == progress.best_step)
    row.update({f"val_{name}": mean for name, mean in means.items()})
    print(
        f"exposure  fitted to {found.pairs} pairs  validation  "
        + "  ".join(f"{name} {value:.4g}" for name, value in means.items())
    )
    return found


def _teacher(recipe: Recipe, contract: Contract) -> keras.Model | None:
    """Return the net to learn from, if the recipe names one."""
    place, wanted = recipe.training.teacher, "distillation" in recipe.losses
    if bool(place) != wanted:
        raise UsageError(
            "`training.teacher` and the loss `distillation` go together. "
            f"Received: training.teacher={place!r} and the objective {dict(recipe.losses)}."
        )
    if not place:
        return None
    engine = KerasEngine(Path(place))
    if engine.contract != contract:
        raise UsageError(
            f"`training.teacher` must have the ports of {recipe.model}. Received: {place}, from "
            f"{', '.join(port.name for port in engine.contract.inputs)}."
        )
    return reparameterize_model(engine.model)


def _prepare_run_dir(run: Path, recipe: Recipe, resume: bool) -> None:
    """Refuse a folder that holds another run, or none where one is to go on."""
    written = run / "recipe.toml"
    if run.is_file():
        raise UsageError(f"`output` must be a folder. Received: {run} (a file).")
    if written.exists() and not resume:
        raise UsageError(
            f"{run} already holds a run. Add --resume to go on with it, or name another --output."
        )
    if written.exists():
        before = Recipe.load(written)
        changed = [
            field
            for field in (
                "model",
                "options",
                "data",
                "seed",
                "pipeline",
                "losses",
                "discriminator",
            )
            if getattr(before, field) != getattr(recipe, field)
        ]
        changed += [
            key
            for key in ("validation_split", "split_file")
            if getattr(before.training, key) != getattr(recipe.training, key)
        ]
        if changed:
            raise UsageError(
                f"{run} was begun with another {', '.join(changed)} ({written}). Resume with the "
                "command that began it, or name another --output."
            )


def _validation_metrics(contract: Contract, judge: str) -> tuple[str, ...]:
    """Return what is measured at each validation: LPIPS, which takes longest, only if it judges."""
    return FUSION_METRICS if contract.is_fusion else tuple(dict.fromkeys(("psnr", "ssim", judge)))


class _TrainingStage(NamedTuple):
    """Steps that are traced once: from `begin` to before `end`, samples from `first`."""

    begin: int
    end: int
    crop: int
    batch: int
    first: int
    critic: bool


def _plan_stages(recipe: Recipe) -> list[_TrainingStage]:
    plan, steps = recipe.pipeline, recipe.training.steps
    late = round(plan.progressive_start * steps)
    critic = recipe.discriminator.start_step(steps) if recipe.discriminator.model else 0
    stages, first = [], 0
    for begin, end in itertools.pairwise(sorted({0, critic, late, steps})):
        size = (
            (plan.progressive_crop_size, plan.progressive_batch_size)
            if begin >= late
            else (plan.crop_size, plan.batch_size)
        )
        stages.append(_TrainingStage(begin, end, *size, first, begin >= critic))
        first += (end - begin) * stages[-1].batch
    return stages


def _make_dataset(
    pairs: list[Pair],
    recipe: Recipe,
    contract: Contract,
    run: Path,
    stage: _TrainingStage,
    step: int,
    team: SingleDevice,
) -> Any:
    """Return this worker's part of the batches of a stage, from `step` on."""
    if contract.is_fusion:
        from lowlight_tf.pipeline.fusion import fusion_dataset

        feed = functools.partial(fusion_dataset, shard=(team.index, team.count))
    elif contract.is_raw:
        from lowlight_tf.pipeline.raw import raw_dataset

        part = (team.index, team.count)
        feed = functools.partial(raw_dataset, cache_dir=run / "decoded", shard=part)
    elif importlib.util.find_spec("tensorflow"):
        from lowlight_tf.pipeline.paired import pair_dataset

        feed = functools.partial(pair_dataset, shard=(team.index, team.count))
    else:
        from lowlight_tf.pipeline.numpy_pipeline import NumpyPairDataset as feed
    first = stage.first + (step - stage.begin) * stage.batch
    return feed(
        pairs,
        recipe,
        contract,
        first_sample=first,
        crop_size=stage.crop,
        batch_size=stage.batch,
    )


def _callbacks(recipe, run, progress, plain, contract, material, val, team) -> list:
    plan = recipe.training
    last = plan.steps
    every = plan.validate_every or max(last // 20, 1)
    count = callbacks.StepCounter(progress, run / "checkpoints")
    agree = team.hooks(progress, every, last) if plan.schedule == "plateau" else []
    if not team.chief:
        return [count, ResetMetrics(progress, plan.log_every, last), *agree]
    epoch = steps_per_epoch(recipe, len(material.train))
    summary = None
    if importlib.util.find_spec("tensorflow"):
        summary = callbacks.TensorBoardLogger(
            progress, plan.summary_every, last, run / "tensorboard"
        )

    def measure(net: keras.Model) -> tuple[dict[str, float], np.ndarray]:
        engine = KerasEngine.of(
            net, contract, name=recipe.model, preprocessing=recipe.preprocessing
        )
        metrics = _validation_metrics(contract, plan.judge)
        results = evaluate(engine, val, metrics=metrics, protocol=default_protocol(contract))
        return results.means, contact_sheet([engine], val[:SHEET_ROWS])

    judges = [
        callbacks.Validator(
            progress,
            every,
            last,
            net=plain,
            monitor=plan.judge,
            evaluate_fn=measure,
            run=run,
            summary=summary,
        )
    ]
    if plan.schedule == "plateau":
        history = run / "history.csv"
        judges.append(ReduceLROnPlateau(progress, every, last, training=plan, path=history))
    return [
        count,
        callbacks.ProgressLogger(progress, plan.log_every, last, run / "history.csv", epoch),
        *adversarial.discriminator_callbacks(recipe, progress),
        *judges,
        *agree,
        *([summary] if summary else []),
        callbacks.Checkpointer(progress, plan.save_every, last, run / "checkpoints"),
    ]


def _write_training_json(
    recipe: Recipe,
    run: Path,
    progress: callbacks.TrainingState,
    net: keras.Model,
    material: TrainingData,
    exposure: ExposureFit | None,
) -> None:
    """Write what the card of every exported file will say of its training."""
    row = next((row for row in progress.history.rows if row["step"] == progress.best_step), {})
    told = recipe.fields()
    del told["data_root"]  # the card travels; where its data lay stays here
    write_json(
        run / "training.json",
        {
            "data": {Path(name).name: terms for name, terms in material.licenses.items()},
            "pairs": len(material.train),
            "validation_pairs": len(material.val),
            "seed": recipe.seed,
            "steps": progress.step,
            "best_step": progress.best_step,
            "seconds": round(progress.seconds),
            "validation": {
                name.removeprefix("val_"): value
                for name, value in row.items()
                if name.startswith("val_")
            },
            **({"exposure": dataclasses.asdict(exposure)} if exposure else {}),
            "protocol": f"{progress.history.protocol}, mean over whole pictures",
            "weights": reparameterize_model(net).count_params(),
            "recipe": told,
            "versions": {"keras": keras.__version__, "python": platform.python_version()},
            "backend": keras.backend.backend(),
        },
    )
