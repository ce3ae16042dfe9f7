"""Compare MIRNet with the popular Keras example: python benchmarks/mirnet.py step|parts|latency.

`step` times a training step with equal filters, groups, blocks and size; `parts` the layer types of
the example, forward and backward, in float32, in bfloat16 and compiled by XLA, on a CPU; `latency`
images of 600x400 through .tflite files on two threads.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from side_by_side import side_by_side

FULL_OPTIONS = {"filters": 64, "groups": 3, "blocks": 2}
IMAGE_SIZE = (400, 600)  # height, width
MODES = ("float32", "bfloat16", "compiled")


def step(args: argparse.Namespace) -> None:
    """Time training steps of the example and of the paper's model, with Keras `fit` and ours."""
    import keras
    from keras import ops

    from lowlight_tf.config import Recipe
    from lowlight_tf.models.mirnet import mirnet
    from lowlight_tf.training.composite_loss import CompositeLoss
    from lowlight_tf.training.learner import Learner
    from lowlight_tf.training.schedule import create_optimizer

    options = {name: getattr(args, name) for name in FULL_OPTIONS}
    recipe = Recipe.load("mirnet_lol_v1")
    rng = np.random.default_rng(0)
    shape = args.batch, args.crop, args.crop, 3
    low, target = (rng.random(shape, dtype=np.float32) for _ in range(2))

    def example() -> keras.Model:
        import tensorflow as tf

        def charbonnier(target, enhanced):
            return ops.mean(ops.sqrt(ops.square(target - enhanced) + 1e-6))

        def peak_signal_noise_ratio(target, enhanced):
            return tf.image.psnr(enhanced, target, max_val=255.0)

        model = mirnet(variant="keras_io", **options)
        model.compile(
            optimizer=keras.optimizers.Adam(1e-4),
            loss={"enhanced": charbonnier},
            metrics={"enhanced": [peak_signal_noise_ratio]},
        )  # Keras compiles with XLA on GPUs only
        return model

    def learner(variant: str, mode: str) -> keras.Model:
        keras.config.set_dtype_policy("mixed_bfloat16" if mode == "bfloat16" else "float32")
        model = mirnet(variant=variant, **options)
        keras.config.set_dtype_policy("float32")
        learner = Learner(model, CompositeLoss(recipe.losses))
        learner.compile(optimizer=create_optimizer(recipe.training), jit_compile=mode == "compiled")
        return learner

    def steps(model: keras.Model, target_name: str) -> Callable[[], int]:
        def work() -> int:
            for _ in range(args.steps):
                model.train_on_batch({"low": low}, {target_name: target})
            return args.steps

        return work

    print(f"{options}, {args.batch} crops of {args.crop}x{args.crop}")
    workloads = {"the Keras example": steps(example(), "enhanced")}
    for title, variant in {"its layers": "keras_io", "the paper's layers": "paper"}.items():
        for mode in args.modes:
            workloads[f"{title}, our step, {mode}"] = steps(learner(variant, mode), "target")
    side_by_side(workloads, unit="steps", rounds=args.rounds)


def parts(args: argparse.Namespace) -> None:
    """Time each layer type of the example, with its gradient."""
    import keras
    import tensorflow as tf
    from keras import layers

    channels, size = args.filters, args.crop

    def layer_types(precision: str) -> dict[str, Callable]:
        projection = layers.Conv2D(channels, 1, dtype=precision)
        return {
            "3x3 convolution": layers.Conv2D(channels, 3, padding="same", dtype=precision),
            "1x1 convolution": layers.Conv2D(channels, 1, dtype=precision),
            "1x1 convolution of two concatenated maps": lambda x: projection(tf.concat([x, x], -1)),
            "ReLU": tf.nn.relu,
            "max pooling": lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
            "nearest-neighbor upsampling by two": lambda x: keras.ops.repeat(
                keras.ops.repeat(x[:, : size // 2, : size // 2], 2, 1), 2, 2
            ),
            "channel attention": lambda x: x * tf.reduce_mean(x, (1, 2), keepdims=True),
            "spatial attention": lambda x: (
                x * (tf.reduce_max(x, -1, keepdims=True) + tf.reduce_mean(x, -1, keepdims=True))
            ),
            "sum of three": lambda x: tf.add_n([x, 2 * x, 3 * x]),
        }

    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((args.batch, size, size, channels), dtype=np.float32))

    def workload(layer: Callable, mode: str) -> Callable[[], int]:
        image = tf.cast(x, "bfloat16") if mode == "bfloat16" else x
        layer(image)  # creates its weights

        @tf.function(jit_compile=mode == "compiled")
        def gradient(image):
            with tf.GradientTape() as tape:
                tape.watch(image)
                loss = tf.reduce_sum(tf.square(layer(image)))
            return tape.gradient(loss, [image, *getattr(layer, "trainable_variables", [])])

        def work() -> int:
            for _ in range(args.steps):
                gradient(image)
            return args.steps

        return work

    built = {
        mode: layer_types("mixed_bfloat16" if mode == "bfloat16" else "float32") for mode in MODES
    }
    for name in built["float32"]:
        print(f"\n{name}")
        workloads = {mode: workload(built[mode][name], mode) for mode in MODES}
        side_by_side(workloads, unit="runs", rounds=args.rounds)


def latency(args: argparse.Namespace) -> None:
    """Time images through .tflite files of the slim recipe and, on request, of the full model."""
    from lowlight_tf.config import Recipe
    from lowlight_tf.contract import ENHANCE
    from lowlight_tf.export.convert import convert
    from lowlight_tf.models.mirnet import mirnet

    rng = np.random.default_rng(0)
    size = tuple(side // args.shrink for side in IMAGE_SIZE)
    samples = [{"low": rng.random((1, *size, 3), dtype=np.float32) ** 3} for _ in range(2)]
    variants = {"slim": Recipe.load("mirnet_slim").options, "full": FULL_OPTIONS}
    for name in args.models:
        with tempfile.TemporaryDirectory() as folder:
            model = mirnet(**variants[name])
            workloads = {}
            for kind in args.kinds:
                path = Path(folder) / f"{kind}.tflite"
                convert(model, ENHANCE, path, size=size, quantization=kind, samples=samples)
                workloads[kind] = _interpreter_run(path, samples[0]["low"])
            print(
                f"\n{name} ({model.count_params():,} parameters), {size[1]}x{size[0]}, two threads"
            )
            rates = side_by_side(workloads, unit="images", rounds=args.rounds)
        print("  ".join(f"{kind} {1000 / rate:.0f} ms" for kind, rate in rates.items()))


def _interpreter_run(path: Path, low: np.ndarray) -> Callable[[], int]:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path), num_threads=2).get_signature_runner()
    if runner.get_input_details()["low"]["dtype"] == np.uint8:
        low = np.rint(255 * low).astype(np.uint8)

    def work() -> int:
        runner(low=low)
        return 1

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark", choices=("step", "parts", "latency"))
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2, help="in each round")
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES, help="of our step")
    parser.add_argument("--models", nargs="+", default=["slim"], choices=("slim", "full"))
    parser.add_argument("--kinds", nargs="+", default=["float32", "float16", "int8"])
    parser.add_argument("--shrink", type=int, default=1, help="divide the image size by this")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    {"step": step, "parts": parts, "latency": latency}[args.benchmark](args)


if __name__ == "__main__":
    main()
