"""Training on several devices and machines with tf.distribute."""
