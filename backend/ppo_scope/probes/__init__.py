"""What is measured: a phase of the trainer goes in, named arrays and scalars come out."""
