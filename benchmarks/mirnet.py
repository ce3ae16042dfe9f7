"""MIRNet beside the popular Keras example of it: python benchmarks/mirnet.py step|parts|latency.

`step` times a step of training at equal filters, groups, blocks and size; `parts` the kinds of
layers that the example is made of, forwards and backwards, as it runs them on a processor
(float32, operation by operation), in bfloat16 and compiled by XLA; `latency` pictures of 600x400
through .tflite files on two threads.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from side_by_side import side_by_side

from lowlight_tf.training.onednn import enable_onednn_bfloat16

FULL = {"filters": 64, "groups": 3, "blocks": 2}
PICTURE = (400, 600)  # height, width
HOW = ("float32", "bfloat16", "compiled")


def step(args: argparse.Namespace) -> None:
    """Time steps: the example's layers and ours, as the example trains and as our recipes do."""
    import keras
    from keras import ops

    from lowlight_tf.config import Recipe
    from lowlight_tf.models.mirnet import mirnet
    from lowlight_tf.training.composite_loss import CompositeLoss
    from lowlight_tf.training.learner import Learner
    from lowlight_tf.training.schedule import create_optimizer

    options = {name: getattr(args, name) for name in FULL}
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

        net = mirnet(variant="keras_io", **options)
        net.compile(
            optimizer=keras.optimizers.Adam(1e-4),
            loss={"enhanced": charbonnier},
            metrics={"enhanced": [peak_signal_noise_ratio]},
        )  # compiled by XLA where Keras does so by itself: on GPUs, not on processors
        return net

    def learner(variant: str, how: str) -> keras.Model:
        keras.config.set_dtype_policy("mixed_bfloat16" if how == "bfloat16" else "float32")
        net = mirnet(variant=variant, **options)
        keras.config.set_dtype_policy("float32")
        made = Learner(net, CompositeLoss(recipe.losses))
        made.compile(optimizer=create_optimizer(recipe.training), jit_compile=how == "compiled")
        return made

    def steps(net: keras.Model, name: str) -> Callable[[], int]:
        def work() -> int:
            for _ in range(args.steps):
                net.train_on_batch({"low": low}, {name: target})
            return args.steps

        return work

    print(f"{options}, {args.batch} crops of {args.crop}x{args.crop}")
    ways = {"the Keras example": steps(example(), "enhanced")}
    for title, variant in {"its layers": "keras_io", "the paper's layers": "paper"}.items():
        for how in args.how:
            ways[f"{title}, our step, {how}"] = steps(learner(variant, how), "target")
    side_by_side(ways, unit="steps", rounds=args.rounds)


def parts(args: argparse.Namespace) -> None:
    """Time each kind of layer of the example, with its gradient."""
    import keras
    import tensorflow as tf
    from keras import layers

    channels, side = args.filters, args.crop

    def kinds(precision: str) -> dict[str, Callable]:
        join = layers.Conv2D(channels, 1, dtype=precision)
        return {
            "3x3 convolution": layers.Conv2D(channels, 3, padding="same", dtype=precision),
            "1x1 convolution": layers.Conv2D(channels, 1, dtype=precision),
            "1x1 convolution of two, side by side": lambda x: join(tf.concat([x, x], -1)),
            "ReLU": tf.nn.relu,
            "max pooling": lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
            "nearest neighbors, from half the size": lambda x: keras.ops.repeat(
                keras.ops.repeat(x[:, : side // 2, : side // 2], 2, 1), 2, 2
            ),
            "product with shares of maps": lambda x: x * tf.reduce_mean(x, (1, 2), keepdims=True),
            "largest and mean of maps, product": lambda x: (
                x * (tf.reduce_max(x, -1, keepdims=True) + tf.reduce_mean(x, -1, keepdims=True))
            ),
            "sum of three": lambda x: tf.add_n([x, 2 * x, 3 * x]),
        }

    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((args.batch, side, side, channels), dtype=np.float32))

    def times(part: Callable, how: str) -> Callable[[], int]:
        image = tf.cast(x, "bfloat16") if how == "bfloat16" else x
        part(image)  # makes its weights

        @tf.function(jit_compile=how == "compiled")
        def gradient(image):
            with tf.GradientTape() as tape:
                tape.watch(image)
                loss = tf.reduce_sum(tf.square(part(image)))
            return tape.gradient(loss, [image, *getattr(part, "trainable_variables", [])])

        def work() -> int:
            for _ in range(args.steps):
                gradient(image)
            return args.steps

        return work

    made = {how: kinds("mixed_bfloat16" if how == "bfloat16" else "float32") for how in HOW}
    for name in made["float32"]:
        print(f"\n{name}")
        ways = {how: times(made[how][name], how) for how in HOW}
        side_by_side(ways, unit="times", rounds=args.rounds)


def latency(args: argparse.Namespace) -> None:
    """Time pictures through .tflite files, the slim recipe's and, if asked for, the full net's."""
    from lowlight_tf.config import Recipe
    from lowlight_tf.contract import ENHANCE
    from lowlight_tf.export.convert import convert
    from lowlight_tf.models.mirnet import mirnet

    rng = np.random.default_rng(0)
    size = tuple(side // args.shrink for side in PICTURE)
    samples = [{"low": rng.random((1, *size, 3), dtype=np.float32) ** 3} for _ in range(2)]
    nets = {"slim": Recipe.load("mirnet_slim").options, "full": FULL}
    for name in args.nets:
        with tempfile.TemporaryDirectory() as folder:
            net = mirnet(**nets[name])
            ways = {}
            for kind in args.kinds:
                path = Path(folder) / f"{kind}.tflite"
                convert(net, ENHANCE, path, size=size, quantization=kind, samples=samples)
                ways[kind] = _runs(path, samples[0]["low"])
            print(f"\n{name} ({net.count_params():,} weights), {size[1]}x{size[0]}, two threads")
            rates = side_by_side(ways, unit="pictures", rounds=args.rounds)
        print("  ".join(f"{kind} {1000 / rate:.0f} ms" for kind, rate in rates.items()))


def _runs(path: Path, low: np.ndarray) -> Callable[[], int]:
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
    parser.add_argument("what", choices=("step", "parts", "latency"))
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2, help="in a round")
    parser.add_argument("--how", nargs="+", default=HOW, choices=HOW, help="our step computes")
    parser.add_argument("--nets", nargs="+", default=["slim"], choices=("slim", "full"))
    parser.add_argument("--kinds", nargs="+", default=["float32", "float16", "int8"])
    parser.add_argument("--shrink", type=int, default=1, help="pictures smaller by this factor")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(enable_onednn_bfloat16())
    {"step": step, "parts": parts, "latency": latency}[args.what](args)


if __name__ == "__main__":
    main()
