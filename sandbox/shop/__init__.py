"""The simulated shop: a real purchase history, made-up people, and two loyalty programmes."""
