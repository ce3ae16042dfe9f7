"""Names of version 0.1.0 in files that users keep, and what they are called today.

Recipes, cards, contracts, results and run folders of version 0.1.0 are read as they are: their keys
are renamed on reading, and what is written bears today's names. Class names in saved .keras files
are the business of `layers.legacy_classes`, words of the command line that of `cli.legacy_flags`.
"""

from collections.abc import Mapping
from typing import Any

from lowlight_tf.checks import UsageError

RECIPE_TABLES = {"objective": "losses", "critic": "discriminator", "preparation": "preprocessing"}

PIPELINE_KEYS = {
    "augmenter": "augmentation",
    "batch": "batch_size",
    "bend": "random_gamma",
    "blur": "blur_prob",
    "crop": "crop_size",
    "exposure_ev": "random_exposure_ev",
    "glance": "thumbnail_crop_min",
    "late_batch": "progressive_batch_size",
    "late_crop": "progressive_crop_size",
    "late_from": "progressive_start",
    "leveled": "normalize_target_exposure",
    "lit": "target_blend_prob",
    "mixed": "mixup_prob",
    "night": "synthesize_night",
    "night_headlights": "night_headlights_prob",
    "night_histogram": "night_histogram_prob",
    "night_pools": "night_pools_prob",
    "noise": "noise_sigma_max",
    "turned": "random_d4",
}

TRAINING_KEYS = {
    "compiled": "jit_compile",
    "ema": "ema_momentum",
    "exposure": "calibrate_exposure",
    "judge": "monitor",
    "plateau_floor": "plateau_min_lr",
    "validation": "validation_split",
}

DISCRIMINATOR_KEYS = {"begin": "start_fraction", "features": "feature_matching_weight"}

PREPROCESSING_KEYS = {"finish": "output_stretch"}

MODEL_OPTIONS = {"gained": "predict_gain", "portable": "int8_friendly", "toned": "tone_curve"}

LOSSES = {
    "detail_likeness": "detail_similarity",
    "distilled": "distillation",
    "frequency": "fft_l1",
    "half_lpips": "lpips_half_res",
}

SCHEDULES = {"third": "step"}

METRICS = {
    "clipped": "clipped_fraction",
    "dark_black": "dark_crushed",
    "glare": "highlight_growth",
    "glare_white": "glare_saturated",
    "luma_jitter": "luma_flicker",
    "warped_error": "warping_error",
}

PROTOCOLS = {"seed": "unit_range"}

QUANTIZATIONS = {"dynamic": "dynamic_range", "none": "float32"}

HISTORY_COLUMNS = {
    **LOSSES,
    "critic": "discriminator",
    "critic_fake": "discriminator_fake",
    "critic_features": "discriminator_features",
    "critic_real": "discriminator_real",
    "gradient_critic": "discriminator_gradient_norm",
    "gradient_net": "generator_gradient_norm",
}

CHECKPOINT_GROUPS = {
    "critic": "discriminator",
    "critic_optimizer": "discriminator_optimizer",
    "net": "model",
}

TRAINING_STATE_KEYS = {"in_vain": "wait"}

CARD_FIELDS = {"preparation": "preprocessing"}

PORT_FIELDS = {"of": "thumbnail_of", "space": "color_space"}

DATASET_FIELDS = {"by_hand": "manual_download", "home": "homepage", "size": "resize_to"}

SPLIT_FIELDS = {"listed": "names_sha256", "only": "include", "pixels": "pixel_sha256"}

RAW_METADATA_FIELDS = {
    "black": "black_level",
    "exposure": "exposure_time",
    "matrix": "color_matrix",
    "phase": "cfa_pattern",
    "wb": "camera_wb",
    "white": "white_level",
}


def rename_keys(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a dictionary with the old ones of its keys replaced; a key of today wins."""
    renamed = {names.get(key, key): value for key, value in fields.items() if key in names}
    return {**renamed, **{key: value for key, value in fields.items() if key not in names}}


def rename_history_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a run's history with today's names of its columns, in their order."""
    return {_rename_history_column(name): value for name, value in row.items()}


def _rename_history_column(name: str) -> str:
    metric = name.removeprefix("val_")
    if metric != name:
        return f"val_{METRICS.get(metric, metric)}"
    return HISTORY_COLUMNS.get(name, name)


def rename_recipe(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain fields of a recipe, of whatever version, with today's names.

    Values that are no tables stay as they are, for the recipe's own checks to report.
    """
    fields = rename_keys(fields, RECIPE_TABLES)
    tables = {
        "options": MODEL_OPTIONS,
        "pipeline": PIPELINE_KEYS,
        "training": TRAINING_KEYS,
        "discriminator": DISCRIMINATOR_KEYS,
        "preprocessing": PREPROCESSING_KEYS,
        "losses": LOSSES,
    }
    for table, names in tables.items():
        if isinstance(fields.get(table), Mapping):
            fields[table] = rename_keys(fields[table], names)
    training = fields.get("training")
    if isinstance(training, dict):
        _rename_training_values(training)
    return fields


def rename_dataset_card(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain fields of a dataset card, of whatever version, with today's names."""
    fields = rename_keys(fields, DATASET_FIELDS)
    if isinstance(fields.get("splits"), Mapping):
        fields["splits"] = {
            name: rename_keys(split, SPLIT_FIELDS) if isinstance(split, Mapping) else split
            for name, split in fields["splits"].items()
        }
    return fields


def _rename_training_values(training: dict[str, Any]) -> None:
    """Replace values of 0.1.0: a schedule, and `split`, a fraction to learn from or a file."""
    if isinstance(training.get("schedule"), str):
        training["schedule"] = SCHEDULES.get(training["schedule"], training["schedule"])
    if isinstance(training.get("monitor"), str):
        training["monitor"] = METRICS.get(training["monitor"], training["monitor"])
    split = training.pop("split", "")
    if split == "":
        return
    try:
        fraction = float(split)
    except (TypeError, ValueError):
        training["split_file"] = split
    else:
        if not 0 < fraction < 1:
            raise UsageError(
                "`split` must be a fraction between 0 and 1, such as 0.7, or the split.json of a "
                f"run. Received: {split}."
            )
        training["validation_split"] = round(1 - fraction, 9)
