"""What a training run needs beside the learner: chunks and records, checkpoints, logs, a judge's desk, guards."""
