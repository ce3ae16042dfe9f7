"""Recipe -> run folder: everything that is needed to export, evaluate, repeat or resume a run."""

import dataclasses
import functools
import importlib.util
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lowlight_tf import checks, crash_notes
from lowlight_tf.catalog import MODELS
from lowlight_tf.checks import UsageError
from lowlight_tf.config import Recipe
from lowlight_tf.contract import Contract
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.evaluation.comparison.contact_sheet import contact_sheet
from lowlight_tf.evaluation.evaluator import evaluate
from lowlight_tf.evaluation.raw_protocol import default_protocol
from lowlight_tf.export.keras_engine import KerasEngine
from lowlight_tf.fileio import atomic_write, is_utf8, write_json, write_text
from lowlight_tf.layers.reparameterization import reparameterize_model
from lowlight_tf.pipeline.synthetic_validation import materialize_synthetic_inputs
from lowlight_tf.pipeline.task_dataset import make_dataset
from lowlight_tf.training import adversarial, callbacks, checkpoint
from lowlight_tf.training.adversarial import AdversarialLearner
from lowlight_tf.training.callbacks import TrainingState
from lowlight_tf.training.composite_loss import CompositeLoss
from lowlight_tf.training.data import (
    SYNTHETIC_VALIDATION_DIR,
    TrainingData,
    load_training_data,
    unwrap_data_errors,
)
from lowlight_tf.training.distributed.strategy import ResetMetrics, SingleDevice, create_strategy
from lowlight_tf.training.exposure_calibration import (
    ExposureFit,
    fit_exposure,
    plan_calibration,
)
from lowlight_tf.training.history import draw_curves
from lowlight_tf.training.initial_weights import check_initial_weights, load_initial_weights
from lowlight_tf.training.learner import Learner
from lowlight_tf.training.model_factory import create_model
from lowlight_tf.training.precision import disable_tensor_float_32
from lowlight_tf.training.reduce_lr_on_plateau import ReduceLROnPlateau
from lowlight_tf.training.schedule import create_optimizer, resolve_epochs, steps_per_epoch
from lowlight_tf.training.stages import TrainingStage, plan_stages
from lowlight_tf.training.tasks import training_of

SAMPLE_ROWS = 3
"""Validation pairs in a before/after image."""

FIXED_ON_RESUME = (
    *("model", "options", "data", "seed", "pipeline", "losses", "discriminator"),
    *("training.validation_split", "training.split_file"),
)
"""Keys of a recipe that must be the same when its run is resumed."""


@dataclasses.dataclass
class RunContext:
    """Everything that the parts of one run share.

    Attributes:
        recipe: With its length in steps.
        run_dir: Folder to write.
        contract: The ports of the model.
        devices: The devices to train on.
        data: Training and validation pairs.
        val: Validation pairs, the inputs of all of them existing or synthesized.
        validation_model: A float32 copy of the model for the averaged weights.
        state: How far the run has come.
        report: Called with one line for each file that cannot be read.
    """

    recipe: Recipe
    run_dir: Path
    contract: Contract
    devices: SingleDevice
    data: TrainingData
    val: list[Pair]
    validation_model: keras.Model
    state: TrainingState
    report: Callable[[str], None]


def train(
    recipe: Recipe,
    run: Path,
    *,
    resume: bool = False,
    strategy: str = "single",
    report: Callable[[str], None] = print,
) -> Path | None:
    """Train a model with a recipe and write a self-contained run folder.

    The folder holds `recipe.toml`, `contract.json`, `model.keras` (the best model by validation,
    its running average where the recipe has one), `history.csv`, `curves.png`, `samples/`,
    `tensorboard/`, `checkpoints/`, `training.json` (the training section of an exported model's
    card), and the lists of pairs `pairs_training.json` and `pairs_validation.json`.

    Args:
        recipe: What to train, on which data, and how.
        run: Folder to write; must not hold a run yet, unless `resume` is given.
        resume: Continue from the newest checkpoint; the weights become those of an uninterrupted
            run.
        strategy: "single", "mirrored" or "multiworker", see `training.distributed.strategy`; all
            but the first need TensorFlow, and the last must be entered before TensorFlow is used in
            this process.
        report: Called with one line for each damaged file, whose pair is left out.

    Returns:
        The run folder; None in a worker that is not the chief, which writes none.

    Raises:
        UsageError: If the recipe names something unknown, the data cannot be trained on, the folder
            is in use, or the loss diverges (the last good checkpoint is kept then), or another
            worker is lost.
    """
    disable_tensor_float_32()
    with create_strategy(strategy) as devices:
        devices.check(recipe)
        run_dir = devices.run_dir(run)
        contract = MODELS.find(recipe.model).contract
        loss_fn = CompositeLoss(recipe.losses)
        monitors = training_of(contract).monitors
        checks.check_choice("training.monitor", recipe.training.monitor, monitors)
        adversarial.check_adversarial(recipe, contract)
        check_initial_weights(recipe)
        validation_model = create_model(MODELS, recipe.model, recipe.options)
        teacher = _load_teacher(recipe, contract)

        _prepare_run_dir(run_dir, recipe, resume)
        data = load_training_data(recipe, run_dir, report=report)
        steps_recipe = resolve_epochs(recipe, len(data.train))
        steps_recipe = plan_calibration(steps_recipe, validation_model, data.train)
        learner = _create_learner(steps_recipe, contract, loss_fn, teacher, devices)
        state = _restore_state(run_dir, learner) if resume else TrainingState()
        devices.broadcast_state(learner, state, recipe, data.train)

        _write_run_dir(run_dir, recipe, contract, data)
        val = materialize_synthetic_inputs(data.val, run_dir / SYNTHETIC_VALIDATION_DIR, recipe)
        context = RunContext(
            steps_recipe, run_dir, contract, devices, data, val, validation_model, state, report
        )
        _fit(context, learner)
        if not devices.is_chief:
            return None
        exposure = _calibrate_exposure(context)
        state.history.protocol = default_protocol(contract)
        draw_curves({run_dir.name: state.history}, run_dir / "curves.png")
        _write_training_json(context, exposure)
        return run


def _load_teacher(recipe: Recipe, contract: Contract) -> keras.Model | None:
    """Return the model to distill from, if the recipe names one."""
    folder = recipe.training.teacher
    if bool(folder) != ("distillation" in recipe.losses):
        raise UsageError(
            "`training.teacher` and the loss `distillation` go together. "
            f"Received: training.teacher={folder!r} and the losses {dict(recipe.losses)}."
        )
    if not folder:
        return None
    engine = KerasEngine(Path(folder))
    if engine.contract != contract:
        raise UsageError(
            f"`training.teacher` must have the ports of {recipe.model}. Received: {folder}, with "
            f"{', '.join(port.name for port in engine.contract.inputs)}."
        )
    return reparameterize_model(engine.model)


def _prepare_run_dir(run_dir: Path, recipe: Recipe, resume: bool) -> None:
    """Refuse a folder that holds another run, or the same one that is not to be resumed."""
    if run_dir.is_file():
        raise UsageError(f"`output` must be a folder. Received: {run_dir} (a file).")
    if not is_utf8(run_dir.absolute()):
        raise UsageError(
            f"`output` must have a name in UTF-8, for TensorFlow. Received: {run_dir}. Name "
            "another folder."
        )
    path = run_dir / "recipe.toml"
    if not path.exists():
        return
    if not resume:
        raise UsageError(
            f"{run_dir} already holds a run. Add --resume to continue it, or name another --output."
        )
    saved = Recipe.load(path)
    changed = [key for key in FIXED_ON_RESUME if _lookup(saved, key) != _lookup(recipe, key)]
    if changed:
        raise UsageError(
            f"{run_dir} was started with another {', '.join(changed)} ({path}). Resume with the "
            "command that started it, or name another --output."
        )


def _lookup(recipe: Recipe, key: str) -> Any:
    """Return the value of a dotted key."""
    return functools.reduce(getattr, key.split("."), recipe)


def _create_learner(
    recipe: Recipe,
    contract: Contract,
    loss_fn: CompositeLoss,
    teacher: keras.Model | None,
    devices: SingleDevice,
) -> Learner:
    """Seed everything, build the model and its optimizer, and compile them for `fit`."""
    training = recipe.training
    keras.utils.set_random_seed(recipe.seed)
    with devices.scope():
        model = create_model(MODELS, recipe.model, recipe.options, precision=training.precision)
        if training.initial_weights:
            load_initial_weights(model, Path(training.initial_weights))
        if recipe.discriminator.model:
            discriminator = adversarial.discriminator_kwargs(recipe, contract)
            learner = AdversarialLearner(model, loss_fn, teacher=teacher, **discriminator)
        else:
            learner = devices.create_learner(model, loss_fn, teacher=teacher)
        learner.compile(optimizer=create_optimizer(training), jit_compile=training.jit_compile)
        learner.optimizer.build(model.trainable_variables)
    return learner


def _restore_state(run_dir: Path, learner: Learner) -> TrainingState:
    """Restore the newest checkpoint, if there is one, and return its state."""
    path = checkpoint.latest_checkpoint(run_dir / "checkpoints")
    if not path:
        return TrainingState()
    state = TrainingState.from_fields(*checkpoint.restore_checkpoint(path, learner))
    print(f"resuming at step {state.step} from {path}")
    return state


def _write_run_dir(run_dir: Path, recipe: Recipe, contract: Contract, data: TrainingData) -> None:
    """Write everything that is known before the first step."""
    for name in ("samples", "checkpoints"):
        (run_dir / name).mkdir(parents=True, exist_ok=True)
    write_text(run_dir / "recipe.toml", recipe.dump())
    contract.save(run_dir / "contract.json")
    data.save(run_dir)


def _fit(context: RunContext, learner: Learner) -> None:
    """Train from the state's step to the last one, stage by stage."""
    recipe, state = context.recipe, context.state
    print(
        f"{recipe.model}: {reparameterize_model(learner.model).count_params():,} weights; "
        f"{len(context.data.train)} training pairs, {len(context.val)} validation pairs; "
        f"{recipe.training.steps} steps of {recipe.pipeline.batch_size}"
    )
    run_callbacks = _create_callbacks(context)
    for stage in plan_stages(recipe):
        if state.step >= stage.end:
            continue
        learner.train_function = None  # traced again, because each stage has its own crop size
        if recipe.discriminator.model:
            learner.discriminator_active = stage.discriminator_active
        with unwrap_data_errors():
            dataset = _make_dataset(context, stage)
            crash_notes.activate(None)  # from here on, to go on without an image is another run
            learner.fit(
                dataset,
                epochs=1,
                steps_per_epoch=stage.end - state.step,
                shuffle=False,
                verbose=0,
                callbacks=run_callbacks,
            )


def _make_dataset(context: RunContext, stage: TrainingStage) -> Any:
    """Return this worker's part of the batches of a stage, from the state's step on."""
    return make_dataset(
        context.data.train,
        context.recipe,
        context.contract,
        cache_dir=context.run_dir / "decoded",
        report=context.report,
        shard=(context.devices.worker_index, context.devices.num_workers),
        first_sample=stage.first_sample + (context.state.step - stage.begin) * stage.batch_size,
        crop_size=stage.crop_size,
        batch_size=stage.batch_size,
    )


def _create_callbacks(context: RunContext) -> list[callbacks.StepCallback]:
    """Return the callbacks of this worker, in the order in which they depend on each other."""
    recipe, run_dir, state = context.recipe, context.run_dir, context.state
    training, last_step = recipe.training, recipe.training.steps
    validate_every = training.validate_every or max(last_step // 20, 1)
    is_plateau = training.schedule == "plateau"
    counter = callbacks.StepCounter(state, run_dir / "checkpoints")
    synchronizers = (
        context.devices.callbacks(state, validate_every, last_step) if is_plateau else []
    )
    if not context.devices.is_chief:
        return [counter, ResetMetrics(state, training.log_every, last_step), *synchronizers]
    tensorboard = None
    if importlib.util.find_spec("tensorflow"):
        tensorboard = callbacks.TensorBoardLogger(
            state, training.summary_every, last_step, run_dir / "tensorboard"
        )
    history = run_dir / "history.csv"
    epoch_steps = steps_per_epoch(recipe, len(context.data.train))
    result = [
        counter,
        callbacks.ProgressLogger(state, training.log_every, last_step, history, epoch_steps),
        *adversarial.discriminator_callbacks(recipe, state),
        callbacks.Validator(
            state,
            validate_every,
            last_step,
            validation_model=context.validation_model,
            monitor=training.monitor,
            evaluate_fn=functools.partial(_evaluate, context),
            run_dir=run_dir,
            tensorboard=tensorboard,
        ),
    ]
    if is_plateau:
        result.append(
            ReduceLROnPlateau(state, validate_every, last_step, training=training, path=history)
        )
    result += synchronizers
    if tensorboard:
        result.append(tensorboard)
    result.append(
        callbacks.Checkpointer(state, training.save_every, last_step, run_dir / "checkpoints")
    )
    return result


def _evaluate(context: RunContext, model: keras.Model) -> tuple[dict[str, float], np.ndarray]:
    """Return the mean metrics of a model on the validation pairs, and a before/after image."""
    recipe, contract = context.recipe, context.contract
    engine = KerasEngine.of(model, contract, name=recipe.model, preprocessing=recipe.preprocessing)
    results = evaluate(
        engine,
        context.val,
        metrics=training_of(contract).validation_metrics(recipe.training.monitor),
        protocol=default_protocol(contract),
    )
    return results.means, contact_sheet([engine], context.val[:SAMPLE_ROWS])


def _calibrate_exposure(context: RunContext) -> ExposureFit | None:
    """Fit the best model's exposure if the recipe asks for it; update its validation metrics."""
    recipe, run_dir, state = context.recipe, context.run_dir, context.state
    if not recipe.training.calibrate_exposure:
        return None
    engine = KerasEngine(run_dir)
    exposure = fit_exposure(
        engine.model,
        engine.contract,
        context.data.train,
        context.val,
        normalize_target_exposure=recipe.pipeline.normalize_target_exposure,
    )
    means = evaluate(engine, context.val, metrics=("psnr", "ssim"), protocol="plain").means
    with atomic_write(run_dir / "model.keras", keep_suffix=True) as part:
        engine.model.save(part)
    row = next(row for row in state.history.rows if row["step"] == state.best_step)
    row.update({f"val_{name}": mean for name, mean in means.items()})
    print(
        f"exposure  fitted to {exposure.pairs} pairs  validation  "
        + "  ".join(f"{name} {value:.4g}" for name, value in means.items())
    )
    return exposure


def _write_training_json(context: RunContext, exposure: ExposureFit | None) -> None:
    """Write the training section of the card of every exported file."""
    data, state = context.data, context.state
    best_row = next((row for row in state.history.rows if row["step"] == state.best_step), {})
    recipe = context.recipe.fields()
    del recipe["data_root"]  # the card is published, a path of this machine is not
    recipe["training"]["initial_weights"] = Path(recipe["training"]["initial_weights"]).name
    write_json(
        context.run_dir / "training.json",
        {
            "data": {Path(name).name: license_ for name, license_ in data.licenses.items()},
            "pairs": len(data.train),
            "validation_pairs": len(context.val),
            "seed": context.recipe.seed,
            "steps": state.step,
            "best_step": state.best_step,
            "seconds": round(state.seconds),
            "validation": {
                name.removeprefix("val_"): value
                for name, value in best_row.items()
                if name.startswith("val_")
            },
            **({"exposure": dataclasses.asdict(exposure)} if exposure else {}),
            "protocol": f"{state.history.protocol}, mean over full images",
            "weights": reparameterize_model(context.validation_model).count_params(),
            "recipe": recipe,
            "versions": {"keras": keras.__version__, "python": platform.python_version()},
            "backend": keras.backend.backend(),
        },
    )
