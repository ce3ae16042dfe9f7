"""What float32 means on a GPU."""

import keras


def disable_tensor_float_32() -> None:
    """Make the backend multiply float32 numbers in float32, for the rest of the process.

    GPUs since NVIDIA's Ampere otherwise round the factors of convolutions and matrix products to 10
    bits of mantissa (TF32). The variances of SSIM are differences of such products: rounded, they
    come near -c2, and the loss explodes. Models in mixed precision are not slowed down.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
    elif backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    elif backend == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
