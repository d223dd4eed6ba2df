"""What the loop does to a brain that answers, against sham and against nothing at all."""
