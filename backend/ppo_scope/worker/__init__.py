"""What happens in the training process: drive the trainer, obey commands, report what is watched."""
