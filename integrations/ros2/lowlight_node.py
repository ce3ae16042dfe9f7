"""ROS 2 node: enhances sensor_msgs/Image of rgb8 or bgr8, from `image` to `image_enhanced`.

python lowlight_node.py --ros-args -p model:=v2_tiny_int8 -r image:=/camera/image_raw
"""

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

import lowlight_tf as ll

ENCODINGS = ("rgb8", "bgr8")


class LowlightNode(Node):
    """Publishes each image brighter, with its header."""

    def __init__(self) -> None:
        super().__init__("lowlight")
        self.declare_parameter("model", "v2_tiny_int8")
        self.declare_parameter("brightness", 0.0)
        self._model = ll.load_model(self.get_parameter("model").value)
        self._publisher = self.create_publisher(Image, "image_enhanced", qos_profile_sensor_data)
        self.create_subscription(Image, "image", self.enhance, qos_profile_sensor_data)

    def enhance(self, message: Image) -> None:
        """Enhance one image."""
        if message.encoding not in ENCODINGS:
            self.get_logger().error(
                f"Images must be {' or '.join(ENCODINGS)}. Received: {message.encoding}.",
                throttle_duration_sec=10,
            )
            return
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        image = rows[:, : 3 * message.width].reshape(message.height, message.width, 3)
        is_bgr = message.encoding == "bgr8"
        image = np.ascontiguousarray(image[..., ::-1] if is_bgr else image)
        brightness = self.get_parameter("brightness").value
        bright = ll.enhance(self._model, image, brightness_ev=brightness)
        result = Image()
        result.header, result.encoding = message.header, message.encoding
        result.height, result.width = message.height, message.width
        result.step = 3 * message.width
        result.data = np.ascontiguousarray(bright[..., ::-1] if is_bgr else bright).tobytes()
        self._publisher.publish(result)


def main() -> None:
    """Run until interrupted."""
    rclpy.init()
    node = LowlightNode()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
