"""What is measured: a phase of a training loop goes in, named arrays and scalars come out."""
