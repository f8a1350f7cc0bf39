"""What may turn out otherwise than sources let expect: trainings that fail or fall, curves that stay on a plateau."""
