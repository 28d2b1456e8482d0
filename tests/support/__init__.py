"""What several tests share: toy environments, rollouts, reference engines, the acceptance checks."""
