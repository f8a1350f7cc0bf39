"""What sources let expect of a target, fitted once per history."""
