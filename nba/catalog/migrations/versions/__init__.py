"""One file a step, each naming the step it follows."""
